"""Uni-DAD (CVPR 2026): dual-domain DMD and a multi-head GAN, adapting and distilling in one stage.

The student, the fake score with its discriminator heads and the target teacher all start from the
source teacher. See SPEC section 3; the losses themselves are in `unidad.losses`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unidad.config import RunSpec
from unidad.methods.base import Batch, Captions, Conditions, StepOutput
from unidad.methods.dmd2 import Dmd2
from unidad.networks.diffusion_network import DiffusionNetwork


class UniDad(Dmd2):
    """DMD2's loop with a second teacher, of the target domain.

    Args:
        spec: the run.
        student: G.
        fake_score: tracks the student.
        teacher: the source teacher, frozen; None leaves its DMD out.
        target_teacher: trained online, frozen (where the spec names a folder), or None; trained
            without guidance, it teaches with it.
        conditions: embeddings of the prompts or captions; None for unconditional networks.
    """

    def __init__(
        self,
        spec: RunSpec,
        student: DiffusionNetwork,
        fake_score: DiffusionNetwork,
        teacher: DiffusionNetwork | None,
        target_teacher: DiffusionNetwork | None,
        conditions: Conditions | Captions | None = None,
    ):
        super().__init__(spec, student, fake_score, teacher, conditions)
        self.target_teacher = target_teacher
        self.target_share = float(spec.variant.dmd_target_share)
        self.online = target_teacher is not None and spec.target_teacher is None
        if self.online:
            self.networks["target_teacher"] = target_teacher
            self.groups["target_teacher"] = ("target_teacher",)
        elif target_teacher is not None:
            target_teacher.requires_grad_(False)

    def learning_rate(self, group: str) -> float:
        """The online target teacher may have a rate of its own."""
        own = self.spec.variant.target_teacher_learning_rate
        return own if group == "target_teacher" and own else super().learning_rate(group)

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """As DMD2; on student iterations the online target teacher learns last."""
        yield from super().step(batch, iteration, generator)
        if self.online and self.updates_student(iteration):
            yield self.target_teacher_step(batch, generator)

    def distribution_matching_terms(
        self, x: Tensor, sigma: Tensor, batch: Batch
    ) -> dict[str, tuple[float, Tensor]]:
        """Both teachers, each with its prompt, weighted ``1 - a`` and ``a`` (dual-domain DMD)."""
        share = self.target_share
        terms = {}
        if self.teacher is not None and share < 1:
            source = self.guided(self.teacher)(x, sigma, batch.source_condition)
            terms["dmd_source"] = (1 - share, source)
        if self.target_teacher is not None and share > 0:
            target = self.guided(self.target_teacher)(x, sigma, batch.condition)
            terms["dmd_target"] = (share, target)
        return terms

    def target_teacher_step(self, batch: Batch, generator: torch.Generator) -> StepOutput:
        """The denoising loss on the target images."""
        denoising = self.denoising(self.target_teacher, batch, generator)
        return StepOutput("target_teacher", {"target_teacher_denoising": denoising})

"""Uni-DAD (CVPR 2026): dual-domain DMD and a multi-head GAN, adapting and distilling in one stage.

The student, the fake score with its discriminator heads and the target teacher all start from the
source teacher. See SPEC section 3; the losses themselves are in `unidad.losses`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from unidad.config.names import SOURCE_TEACHER
from unidad.config.run import RunSpec
from unidad.config.section import Count, Positive, Unit
from unidad.methods.base import Batch, StepOutput
from unidad.methods.dmd2 import DistilledSettings, Dmd2
from unidad.networks.backbone import Backbone
from unidad.networks.conditions import Captions, Prompts

if TYPE_CHECKING:
    from unidad.networks.models import Models


class UniDadSettings(DistilledSettings):
    """Uni-DAD: dual-domain DMD and a multi-head GAN in one stage."""

    update_seconds: ClassVar[float] = 1.65

    method: Literal["unidad"]
    dmd_source: bool = True
    """Match the source teacher."""
    target_teacher: str = "online"
    """online (trained beside the student), none, or `<label>`: pre-adapted and frozen."""
    target_teacher_learning_rate: Positive | None = None
    """AdamW's rate for the online target teacher; null takes the student's. At the student's rate
    a small network soon knows ten images by heart, and the student with it."""
    target_teacher_updates: Count | None = None
    """Updates after which the online target teacher stays as it is, before it knows the target
    images by heart; null: it learns to the end."""
    dmd_target_share: Unit | Literal["auto"] = "auto"
    """The paper's a, the target teacher's share of DMD. auto: by the target's `near`, 0 without a
    target teacher, 1 without dmd_source."""
    near_target_share: Unit = 0.25
    """What auto means for a near target."""
    far_target_share: Unit = 0.75
    """What auto means for a far one."""

    def origins(self) -> dict[str, str]:
        """Role → whose weights it has; see `MethodSettings`."""
        named = super().origins() | {"teacher": SOURCE_TEACHER}
        if self.target_teacher in ("online", "none"):
            return named
        return named | {"target_teacher": self.target_teacher}

    def for_target(self, near: bool) -> Self:
        """A number for dmd_target_share."""
        if self.dmd_target_share != "auto":
            return self
        if self.target_teacher == "none":
            share = 0.0
        elif not self.dmd_source:
            share = 1.0
        else:
            share = self.near_target_share if near else self.far_target_share
        return self.model_copy(update={"dmd_target_share": share})

    def unused(self) -> set[str]:
        """A run has one share, and perhaps no target teacher to train."""
        keys = {"near_target_share", "far_target_share"}
        if self.target_teacher != "online":
            keys |= {"target_teacher_learning_rate", "target_teacher_updates"}
        return super().unused() | keys

    @property
    def trained_networks(self) -> int:
        """Student, fake score, and a target teacher that is trained beside them."""
        return 3 if self.target_teacher == "online" else 2

    def check_run(self) -> None:
        """A run has a number for dmd_target_share."""
        if self.dmd_target_share == "auto":
            raise ValueError(
                "variant.dmd_target_share: a run needs a number; `unidad plan` finds it"
            )

    @model_validator(mode="after")
    def _has_a_loss(self) -> Self:
        """A student needs a loss, and gan_gradient_ratio a DMD gradient to balance against."""
        share, taught = self.dmd_target_share, self.target_teacher != "none"
        if share != "auto" and share > 0 and not taught:
            raise ValueError(f"dmd_target_share: {share} without a target teacher; give 0")
        from_target, from_source = taught and share != 0, self.dmd_source and share != 1
        if from_source or from_target:
            return self
        if self.distillation.heads == "none":
            raise ValueError("no teacher and no discriminator: the student has no loss")
        if self.distillation.gan_gradient_ratio is not None:
            raise ValueError(
                "distillation.gan_gradient_ratio: there is no DMD gradient to balance against; "
                "set it to null, gan_student_weight counts then"
            )
        return self


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

    Settings = UniDadSettings

    def __init__(
        self,
        spec: RunSpec[UniDadSettings],
        student: Backbone,
        fake_score: Backbone,
        teacher: Backbone | None,
        target_teacher: Backbone | None,
        conditions: Prompts | Captions | None = None,
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

    @classmethod
    def build(cls, spec: RunSpec[UniDadSettings], models: Models) -> Self:
        """As DMD2, with a target teacher that starts from the source teacher or a folder."""
        networks, variant = cls.distilling(spec, models), spec.variant
        target_teacher = None
        if spec.target_teacher is not None:
            target_teacher = models.load(spec.target_teacher)
        elif variant.target_teacher == "online":
            target_teacher = models.adapted(models.copy(networks["teacher"]))
        if not variant.dmd_source:
            networks["teacher"] = None
        return cls(spec, **networks, target_teacher=target_teacher)

    def learning_rate(self, group: str) -> float:
        """The online target teacher may have a rate of its own."""
        own = self.spec.variant.target_teacher_learning_rate
        return own if group == "target_teacher" and own else super().learning_rate(group)

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """As DMD2; on student iterations the online target teacher, until it stops, learns last."""
        yield from super().step(batch, iteration, generator)
        stop = self.spec.variant.target_teacher_updates
        learns = stop is None or iteration < stop * self.iterations_per_student_update
        if self.online and learns and self.updates_student(iteration):
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

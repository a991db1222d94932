"""Fine-tuning: the denoising loss on the real images.

FT adapts the teacher with it, DMD2-FT a distilled student; the source teacher itself is this method
from a fresh network on the source set. Where images have captions of their own, some are read with
an empty one, which guidance needs (Ho & Salimans 2022). With a prompt of a rare token it is
DreamBooth (Ruiz et al. 2023), whose prior preservation adds the same loss on images of the
subject's class. With `pairwise` it is DDPM-PA (Zhu et al. 2022): images keep the distances that the
source teacher sees between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from unidad import losses, pairwise_losses
from unidad.config.names import SOURCE_TEACHER
from unidad.config.run import MethodSettings, RunSpec
from unidad.config.section import Evaluations, NotNegative, Section
from unidad.errors import UserError
from unidad.methods.base import Batch, Method, StepOutput
from unidad.networks.backbone import Backbone
from unidad.networks.conditions import Captions, Prompts

if TYPE_CHECKING:
    from unidad.networks.models import Models


class Pairwise(Section):
    """DDPM-PA's losses on the predicted images (arXiv 2211.03264): see unidad.pairwise_losses."""

    image_weight: NotNegative = 0.5
    """Weight of keeping the source teacher's relative distances of images."""
    high_frequency_weight: NotNegative = 0.5
    """Weight of the same of their high frequencies (Haar)."""
    detail_weight: NotNegative = 0.05
    """Weight of the squared error of the high frequencies."""


class FinetuneSettings(MethodSettings):
    """Denoising loss on the real images: FT, and the second stage of DMD2-FT."""

    uses_prior: ClassVar[bool] = True
    update_seconds: ClassVar[float] = 0.13

    method: Literal["finetune"]
    nfe: Evaluations = 25
    """Network evaluations an image: in the table, and with levels student in training."""
    sampler: Literal["ddim", "heun", "few_step"] = "ddim"
    """How it samples: many-step, or with a few-step student's levels."""
    levels: Literal["all", "student"] = "all"
    """Noise levels in training: all, or the few-step student's own."""

    pairwise: Pairwise | None = None
    """DDPM-PA's losses beside the denoising loss; null: none. Of few-shot generation alone."""

    def origins(self) -> dict[str, str]:
        """Role → whose weights it has; DDPM-PA looks at the source teacher."""
        found = super().origins()
        return found if self.pairwise is None else found | {"teacher": SOURCE_TEACHER}

    def unused(self) -> set[str]:
        """A many-step model does not depend on the evaluations that it is drawn with."""
        few_step = self.sampler == "few_step" or self.levels == "student"
        keys = super().unused() if few_step else super().unused() | {"nfe"}
        return keys | {"pairwise"} if self.pairwise is None else keys

    @model_validator(mode="after")
    def _has_pairs(self) -> Self:
        images = self.training.batch_size // self.training.gradient_accumulation
        if self.pairwise is not None and images < 2:
            raise ValueError(
                "pairwise: compares the images of a batch; give training.batch_size at least 2 "
                "for each part of gradient_accumulation"
            )
        return self

    @model_validator(mode="after")
    def _samplable(self) -> Self:
        even = [nfe for nfe in (self.nfe, *self.extra_nfe) if nfe % 2 == 0]
        if self.sampler == "heun" and even:
            raise ValueError(f"sampler heun needs an odd nfe, found {even[0]}")
        return self


class Finetune(Method):
    """One network, one loss; with images of the class a second."""

    Settings = FinetuneSettings
    groups = {"student": ("student",)}  # noqa: RUF012

    def __init__(
        self,
        spec: RunSpec[FinetuneSettings],
        student: Backbone,
        conditions: Prompts | Captions | None = None,
        teacher: Backbone | None = None,
    ):
        super().__init__(spec, student, conditions)
        self.teacher = None if teacher is None else teacher.requires_grad_(False)
        self.networks = nn.ModuleDict({"student": student})
        if spec.variant.levels == "student":
            self.levels = self.student_levels

    @classmethod
    def build(cls, spec: RunSpec[FinetuneSettings], models: Models) -> Self:
        """The student, and for DDPM-PA the source teacher."""
        conditions, student = models.conditions(), models.student()
        teacher = None
        if spec.variant.pairwise is not None:
            if conditions is not None:
                raise UserError(
                    f"{spec.label}: variant.pairwise: of few-shot generation alone; leave it out"
                )
            teacher = models.teacher(student)
        return cls(spec, models.adapted(student), conditions, teacher)

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """One denoising update of the student."""
        if isinstance(self.conditions, Captions):
            share = self.spec.text_to_image.caption_dropout
            kept = self.conditions.dropped(batch.condition, share, generator)
            batch = replace(batch, condition=kept)
        x, sigma = self.noised(batch.x0, generator)
        x0_hat = self.student(x, sigma, batch.condition)
        found = losses.denoising(x0_hat, batch.x0, sigma, self.spec.diffusion.sigma_data)
        output = StepOutput("student", {"denoising": found})
        if self.teacher is not None:
            self._add_pairwise(output, x0_hat, batch.x0, x, sigma)
        if batch.prior is not None:
            output.losses["prior_preservation"] = self.denoising(
                self.student, batch.prior, generator
            )
            output.weights["prior_preservation"] = self.spec.text_to_image.prior.weight
        yield output

    def _add_pairwise(
        self, output: StepOutput, x0_hat: Tensor, x0: Tensor, x: Tensor, sigma: Tensor
    ) -> None:
        """DDPM-PA's three losses, on images: what the student and the teacher predict at x."""
        with torch.no_grad():
            by_teacher = self.teacher(x, sigma)
        decode, high = self.student.codec.decode, pairwise_losses.high_frequencies
        adapted, source = decode(x0_hat), decode(by_teacher)
        weights = self.spec.variant.pairwise
        output.losses |= {
            "pairwise_image": pairwise_losses.relative_distance(adapted, source),
            "pairwise_high_frequency": pairwise_losses.relative_distance(
                high(adapted), high(source)
            ),
            "pairwise_detail": pairwise_losses.detail(adapted, decode(x0)),
        }
        output.weights |= {
            "pairwise_image": weights.image_weight,
            "pairwise_high_frequency": weights.high_frequency_weight,
            "pairwise_detail": weights.detail_weight,
        }

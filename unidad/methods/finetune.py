"""Fine-tuning: the denoising loss on the real images.

FT adapts the teacher with it, DMD2-FT a distilled student; the source teacher itself is this method
from a fresh network on the source set. Where images have captions of their own, some are read with
an empty one, which guidance needs (Ho & Salimans 2022). With a prompt of a rare token it is
DreamBooth (Ruiz et al. 2023), whose prior preservation adds the same loss on images of the
subject's class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from pydantic import model_validator
from torch import nn

from unidad.config.run import MethodSettings, RunSpec
from unidad.config.section import Evaluations
from unidad.methods.base import Batch, Method, StepOutput
from unidad.networks.backbone import Backbone
from unidad.networks.conditions import Captions, Prompts

if TYPE_CHECKING:
    from unidad.networks.models import Models


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

    def unused(self) -> set[str]:
        """A many-step model does not depend on the evaluations that it is drawn with."""
        few_step = self.sampler == "few_step" or self.levels == "student"
        return super().unused() if few_step else super().unused() | {"nfe"}

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
    ):
        super().__init__(spec, student, conditions)
        self.networks = nn.ModuleDict({"student": student})
        if spec.variant.levels == "student":
            self.levels = self.student_levels

    @classmethod
    def build(cls, spec: RunSpec[FinetuneSettings], models: Models) -> Self:
        """The student alone."""
        conditions = models.conditions()
        return cls(spec, models.adapted(models.student()), conditions)

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """One denoising update of the student."""
        if isinstance(self.conditions, Captions):
            share = self.spec.text_to_image.caption_dropout
            kept = self.conditions.dropped(batch.condition, share, generator)
            batch = replace(batch, condition=kept)
        output = StepOutput(
            "student", {"denoising": self.denoising(self.student, batch, generator)}
        )
        if batch.prior is not None:
            output.losses["prior_preservation"] = self.denoising(
                self.student, batch.prior, generator
            )
            output.weights["prior_preservation"] = self.spec.text_to_image.prior.weight
        yield output

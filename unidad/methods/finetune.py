"""Fine-tuning: the denoising loss on the real images.

FT adapts the teacher with it, DMD2-FT a distilled student; the source teacher itself is this method
from a fresh network on the source set.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from unidad import losses
from unidad.config import RunSpec
from unidad.methods.base import Method, StepOutput
from unidad.networks.diffusion_network import DiffusionNetwork


class Finetune(Method):
    """One network, one loss."""

    groups = {"student": ("student",)}  # noqa: RUF012

    def __init__(self, spec: RunSpec, student: DiffusionNetwork):
        super().__init__(spec, student)
        self.networks = nn.ModuleDict({"student": student})
        if spec.variant.levels == "student":
            self.levels = self.student_levels

    def step(
        self, real: Tensor, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """One denoising update of the student."""
        x, sigma = self.noised(real, generator)
        yield StepOutput(
            "student", {"denoising": losses.denoising(self.student(x, sigma), real, sigma)}
        )

"""SFDDM (Hong et al. 2024, arXiv 2405.14961): T steps of a teacher become T' in a single fold.

The student's levels are a subsequence of the teacher's, ratio c = T / T', so both have the same
noised images there; it learns to do in one step what the teacher does in c, by the distance of
their outputs and of the distributions of their hidden variables, the noised images in between.

That much is in the paper's abstract and public summaries; this is written from them alone. Chosen
here: noised real images as inputs; the teacher's steps are ODE steps, evenly spaced in
sigma^(1/7); its output is its x0 prediction where its c steps end; hidden variables are compared
as Gaussians of one variance (`losses.hidden_distance`), those of DDIM (the noise of x carried on);
squared distances; the weights below.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from unidad import losses
from unidad.config.section import Count, NotNegative
from unidad.diffusion.draws import integers
from unidad.diffusion.process import add_noise, per_image
from unidad.diffusion.samplers import ode_step
from unidad.methods.base import Batch, StepOutput
from unidad.methods.one_teacher import OneTeacher, OneTeacherSettings

RHO = 7
"""Spacing of the teacher's steps within one of the student's, as of Karras levels."""


class SfddmSettings(OneTeacherSettings):
    """SFDDM: single-fold distillation of one teacher."""

    update_seconds: ClassVar[float] = 0.5

    method: Literal["sfddm"]
    ratio: Count = 8
    """Steps of the teacher for one of the student: the paper's c = T / T', T' being nfe."""
    output_weight: NotNegative = 1.0
    """Weight of the distance of outputs."""
    hidden_weight: NotNegative = 1.0
    """Weight of the distance of hidden variables."""
    hidden_distance: Literal["plain", "kl"] = "plain"
    """Between hidden variables of level sigma: their squared distance (as DDPM's simple loss drops
    such weights), or that by 2 sigma^2, the Kullback-Leibler divergence."""

    def unused(self) -> set[str]:
        """One step has no hidden variables."""
        keys = super().unused()
        return keys | {"hidden_weight", "hidden_distance"} if self.nfe == 1 else keys


class Fold(NamedTuple):
    """What the teacher's c steps come to: hidden variables, and outputs, both (N, C, H, W)."""

    hidden: Tensor
    output: Tensor


class Sfddm(OneTeacher):
    """One update, and the teacher's side of it."""

    Settings = SfddmSettings

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """One update of the student, each image at one of its levels."""
        levels = torch.cat([self.student_levels, torch.zeros(1)]).to(batch.x0.device)
        number = integers(0, len(self.student_levels), len(batch.x0), generator)
        number = number.to(levels.device)
        sigma, following = levels[number], levels[number + 1]
        x = add_noise(batch.x0, self.normal(batch.x0, generator), sigma)
        fold = self.fold(x, sigma, following, batch.condition)
        x0 = self.student(x, sigma, batch.condition)
        output = StepOutput("student", {"output": losses.latent_distance(x0, fold.output).mean()})
        output.weights["output"] = self.options.output_weight
        if len(self.student_levels) > 1:
            hidden = x0 + per_image(following / sigma, x) * (x - x0)
            output.losses["hidden"] = losses.hidden_distance(
                hidden, fold.hidden, following, self.options.hidden_distance
            )
            output.weights["hidden"] = self.options.hidden_weight
        yield output

    @torch.no_grad()
    def fold(self, x: Tensor, sigma: Tensor, following: Tensor, condition: Tensor | None) -> Fold:
        """The teacher's c steps from x down to the student's next level.

        Args:
            x: noised images (N, C, H, W).
            sigma: their level (N,).
            following: the student's next one (N,); at 0 hidden variable and output are the image.
            condition: of the teacher.
        """
        teacher = partial(self.guided(self.teacher), condition=condition)
        high, low = sigma ** (1 / RHO), following ** (1 / RHO)
        current = sigma
        for part in range(1, self.options.ratio + 1):
            lower = (high + (low - high) * (part / self.options.ratio)) ** RHO
            lower = following if part == self.options.ratio else lower
            x = ode_step(teacher, x, current, lower, self.options.solver)
            current = lower
        ended = following == 0
        said = teacher(x, torch.where(ended, sigma, following))
        return Fold(x, torch.where(per_image(ended, x), x, said))

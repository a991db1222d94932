"""Consistency distillation (Song et al. 2023, arXiv 2303.01469), multi-step as in LCM (2310.04378).

The student's x0 prediction is to be the same all along a trajectory of the teacher's probability
flow. The boundary condition holds by the x0 parametrisation, without c_skip and c_out of its own:
every trajectory ends at level 0, where the answer is the image itself, and the networks' own
parametrisations have just these two coefficients (``x0 = c_skip x + c_out F`` with c_skip 1 and
c_out 0 at level 0, whether F predicts noise, v or velocity).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from unidad import losses
from unidad.config.run import RunSpec
from unidad.config.section import Count, Decay, Positive
from unidad.diffusion.draws import integers
from unidad.diffusion.levels import karras_levels
from unidad.diffusion.process import add_noise, per_image
from unidad.diffusion.samplers import ode_step
from unidad.methods.base import Batch, StepOutput
from unidad.methods.one_teacher import OneTeacher, OneTeacherSettings
from unidad.networks.backbone import Backbone
from unidad.networks.conditions import Captions, Prompts
from unidad.networks.lora import sharing_copy


class ConsistencySettings(OneTeacherSettings):
    """Consistency distillation of one teacher: LCM's loss."""

    update_seconds: ClassVar[float] = 0.25

    method: Literal["consistency"]
    skip: Count = 20
    """Levels of the schedule that the teacher's one step goes down: LCM's k."""
    distance: Literal["huber", "l2"] = "huber"
    """Between the two predictions: pseudo-Huber, or squared."""
    huber_width: Positive = 0.001
    """Where pseudo-Huber turns from squared to absolute."""
    target_decay: Decay = 0.95
    """Decay of the target network, a moving average of the student; 0 makes it the student."""

    def unused(self) -> set[str]:
        """A consistency model draws in any number of evaluations."""
        keys = super().unused() | {"nfe"}
        return keys if self.distance == "huber" else keys | {"huber_width"}

    @property
    def trained_networks(self) -> int:
        """The student, and at most as much again for the target network in its checkpoints."""
        return 2


class Consistency(OneTeacher):
    """A student, its moving average as the target network, and a frozen teacher.

    Arguments as of `OneTeacher`. Guidance is of a fixed scale, where LCM's student learns many.
    """

    Settings = ConsistencySettings

    def __init__(
        self,
        spec: RunSpec[ConsistencySettings],
        student: Backbone,
        teacher: Backbone,
        conditions: Prompts | Captions | None = None,
    ):
        super().__init__(spec, student, teacher, conditions)
        frozen = [weight for weight in student.parameters() if not weight.requires_grad]
        self.target = sharing_copy(student, frozen)
        self.networks["target"] = self.target
        self.schedule = self._schedule()

    def _schedule(self) -> Tensor:
        """Level 0, where trajectories end, then ascending levels up to the student's first one.

        They are the network's own with spacing timesteps, else Karras levels whatever the spacing,
        as in the consistency models' paper: a log-normal has few levels near a few-step student's
        first one, which needs its share.
        """
        first, process = float(self.student_levels[0]), self.diffusion
        if process.spacing == "timesteps":
            levels = self.levels[self.levels <= first]
        else:
            levels = karras_levels(process.levels, process.sigma_min, first)
        return torch.cat([torch.zeros(1), levels.cpu()])

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """One update of the student; when it is applied, the target network follows."""
        number = integers(1, len(self.schedule), len(batch.x0), generator)
        schedule = self.schedule.to(batch.x0.device)
        number = number.to(schedule.device)
        sigma, following = schedule[number], schedule[(number - self.options.skip).clamp_min(0)]
        x = add_noise(batch.x0, self.normal(batch.x0, generator), sigma)
        goal = self.goal(x, sigma, following, batch.condition)
        loss = losses.consistency(
            self.student(x, sigma, batch.condition),
            goal,
            self.options.distance,
            self.options.huber_width,
        )
        yield StepOutput("student", {"consistency": loss})
        self._move_target()

    @torch.no_grad()
    def goal(self, x: Tensor, sigma: Tensor, following: Tensor, condition: Tensor | None) -> Tensor:
        """What the target network says after one step of the teacher; at level 0, that step itself.

        Args:
            x: noised images (N, C, H, W).
            sigma: their level (N,).
            following: the level that the step goes down to (N,), 0 at the least.
            condition: of the networks.
        """
        teacher = partial(self.guided(self.teacher), condition=condition)
        ahead = ode_step(teacher, x, sigma, following, self.options.solver)
        ended = following == 0
        said = self.target(ahead, torch.where(ended, sigma, following), condition)
        return torch.where(per_image(ended, x), ahead, said)

    @torch.no_grad()
    def _move_target(self) -> None:
        pairs = zip(self.target.parameters(), self.student.parameters(), strict=True)
        targets, weights = zip(*(pair for pair in pairs if pair[1].requires_grad), strict=True)
        torch._foreach_lerp_(targets, weights, 1 - self.options.target_decay)

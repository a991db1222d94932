"""What a training method is to the trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unidad.config import RunSpec
from unidad.diffusion import add_noise, draw_levels
from unidad.levels import few_step_levels, training_levels
from unidad.networks.diffusion_network import DiffusionNetwork


@dataclass
class StepOutput:
    """One update: the trainer backpropagates ``total`` into the networks of ``group``, no other.

    Attributes:
        group: which optimiser steps.
        losses: name → scalar, unweighted.
        weights: name → weight; 1 where a name is absent.
        logs: further numbers; some appear only while the trainer backpropagates.
    """

    group: str
    losses: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)
    logs: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """The weighted sum of the losses."""
        return sum(self.weights.get(name, 1.0) * loss for name, loss in self.losses.items())


class Method(ABC):
    """A training method: networks, optimiser groups, and the losses of one iteration.

    It never calls backward and never steps an optimiser. ``networks`` holds all that is trained
    (and goes into checkpoints), ``groups`` maps an optimiser group to names of those networks.
    """

    networks: nn.ModuleDict
    groups: dict[str, tuple[str, ...]]

    def __init__(self, spec: RunSpec, student: DiffusionNetwork):
        self.spec = spec
        self.student = student
        diffusion = spec.diffusion
        self.levels = training_levels(diffusion)
        self.student_levels = few_step_levels(spec.variant.nfe, diffusion)

    @property
    def iterations_per_student_update(self) -> int:
        """Iterations in which the student is updated once."""
        return 1

    def learning_rate(self, group: str) -> float:
        """AdamW's rate for an optimiser group."""
        return self.spec.variant.training.learning_rate

    @abstractmethod
    def step(
        self, real: Tensor, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """Yield the updates of one iteration, in order; each is applied before the next is asked.

        Args:
            real: training images in the network's space, (N, C, H, W).
            iteration: from 0.
            generator: the source of every random draw of this iteration.
        """

    def noised(
        self, x0: Tensor, generator: torch.Generator, inner: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Noise images to random levels; returns x (N, C, H, W) and sigma (N,)."""
        sigma = draw_levels(self.levels.to(x0.device), len(x0), generator, inner)
        return add_noise(x0, self.normal(x0, generator), sigma), sigma

    @staticmethod
    def normal(like: Tensor, generator: torch.Generator) -> Tensor:
        """Standard normal noise in the shape and on the device of ``like``."""
        return torch.randn(like.shape, generator=generator).to(like.device)

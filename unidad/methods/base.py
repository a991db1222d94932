"""What a training method is to the trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor, nn

from unidad import losses
from unidad.config.run import MethodSettings, RunSpec
from unidad.diffusion.draws import normal
from unidad.diffusion.levels import draw_levels, few_step_levels, training_levels
from unidad.diffusion.process import add_noise
from unidad.diffusion.samplers import Denoiser
from unidad.networks.backbone import Backbone
from unidad.networks.conditions import Captions, Prompts
from unidad.networks.guidance import Guided, guided
from unidad.networks.text import TextEncoder

if TYPE_CHECKING:
    from unidad.networks.models import Models


@dataclass(frozen=True)
class Batch:
    """Images with what the networks are told about them; unconditional networks are told nothing.

    Attributes:
        x0: (N, C, H, W) in the network's space.
        condition: embeddings (N, L, D) of the target's prompt: for all but the source teacher; or
            of the images' own captions.
        source_condition: embeddings (N, L, D) of the source's prompt, or likewise.
        prior: images of the subject's class with the source's prompt as their condition, where
            prior preservation is on.
    """

    x0: Tensor
    condition: Tensor | None = None
    source_condition: Tensor | None = None
    prior: Batch | None = None


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

    Settings: ClassVar[type[MethodSettings]]
    networks: nn.ModuleDict
    groups: dict[str, tuple[str, ...]]

    def __init__(
        self,
        spec: RunSpec,
        student: Backbone,
        conditions: Prompts | Captions | None = None,
    ):
        self.spec = spec
        self.student = student
        self.conditions = conditions
        self.diffusion = student.noise_process(spec.diffusion)
        self.levels = training_levels(self.diffusion, student.trained_levels)
        self.student_levels = few_step_levels(spec.variant.nfe, self.diffusion)

    @classmethod
    @abstractmethod
    def build(cls, spec: RunSpec, models: Models) -> Self:
        """Put the method together with the networks it needs.

        Args:
            spec: the run, with this method's settings.
            models: loads networks by role.

        Raises:
            UserError: a network is missing or unfit.
        """

    @property
    def iterations_per_student_update(self) -> int:
        """Iterations in which the student is updated once."""
        return 1

    def learning_rate(self, group: str) -> float:
        """AdamW's rate for an optimiser group."""
        return self.spec.variant.training.learning_rate

    def trained(self, group: str) -> list[nn.Parameter]:
        """What an optimiser group moves."""
        networks = [self.networks[name] for name in self.groups[group]]
        return [p for network in networks for p in network.parameters() if p.requires_grad]

    def frozen_teachers(self) -> list[Backbone]:
        """Networks that no optimiser moves, and that share no weight with one that is trained."""
        trained = set(self.networks.parameters())
        return [net for net in self.backbones() if trained.isdisjoint(net.parameters())]

    def modules(self) -> list[nn.Module]:
        """All that it computes with: trained and frozen networks, heads, conditions."""
        return [value for value in vars(self).values() if isinstance(value, nn.Module)]

    def backbones(self) -> list[Backbone]:
        """Those of `modules` that predict images."""
        return [module for module in self.modules() if isinstance(module, Backbone)]

    def text_encoder(self) -> TextEncoder | None:
        """The text encoder, where training changed it."""
        return None

    def companions(self) -> dict[str, Backbone]:
        """Name → a many-step model to export beside the student, with the same text encoder."""
        return {}

    @abstractmethod
    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """Yield the updates of one iteration, in order; each is applied before the next is asked.

        Args:
            batch: training images.
            iteration: from 0.
            generator: the source of every random draw of this iteration; what is drawn for each
                image goes through `unidad.diffusion.draws`.
        """

    def batch(
        self, x0: Tensor, class_x0: Tensor | None = None, chosen: Tensor | None = None
    ) -> Batch:
        """Put images (N, C, H, W) and perhaps images of the class together with their prompts.

        ``chosen`` (N,) tells which training images they are: it is needed for their captions.
        """
        if self.conditions is None:
            return Batch(x0)
        condition, of_source = self.conditions.of_batch(len(x0), chosen)
        prior = None if class_x0 is None else Batch(class_x0, of_source)
        return Batch(x0, condition, of_source, prior)

    def guided(self, teacher: Backbone) -> Backbone | Guided:
        """A teacher as it teaches: under classifier-free guidance where there are prompts."""
        if self.conditions is None:
            return teacher
        return guided(teacher, self.conditions.null, self.spec.text_to_image.guidance_scale)

    def denoiser(self, network: Backbone, count: int) -> Denoiser:
        """What samples ``count`` images: reads the prompt, or captions; guided if of many steps."""
        if self.conditions is None:
            return network
        network = network if self.spec.variant.sampler == "few_step" else self.guided(network)
        return partial(network, condition=self.conditions.first(count))

    def denoising(self, network: Backbone, batch: Batch, generator: torch.Generator) -> Tensor:
        """The denoising loss of a network on a batch, at random levels."""
        x, sigma = self.noised(batch.x0, generator)
        x0_hat = network(x, sigma, batch.condition)
        return losses.denoising(x0_hat, batch.x0, sigma, self.spec.diffusion.sigma_data)

    def noised(
        self, x0: Tensor, generator: torch.Generator, inner: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Noise images to random levels; returns x (N, C, H, W) and sigma (N,)."""
        sigma = draw_levels(self.levels.to(x0.device), len(x0), generator, inner)
        return add_noise(x0, self.normal(x0, generator), sigma), sigma

    @staticmethod
    def normal(like: Tensor, generator: torch.Generator, stacked: int = 1) -> Tensor:
        """Standard normal noise in the shape and on the device of ``like``."""
        return normal(like.shape, generator, stacked).to(like.device)

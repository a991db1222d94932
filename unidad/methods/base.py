"""What a training method is to the trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from unidad import losses
from unidad.config.run import MethodSettings, RunSpec
from unidad.diffusion.draws import normal, uniform
from unidad.diffusion.levels import draw_levels, few_step_levels, of_network, training_levels
from unidad.diffusion.process import add_noise
from unidad.diffusion.samplers import Denoiser
from unidad.networks.backbone import Backbone
from unidad.networks.guidance import Guided, guided
from unidad.networks.learned_token import LearnedToken
from unidad.networks.text import TextEncoder


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


class Conditions(nn.Module):
    """Embeddings, each (1, L, D), of a run's prompts; they follow the networks' device.

    Args:
        target: of the target's prompt ("a prt cat").
        source: of the source's prompt ("a cat").
        null: of the empty prompt, for guidance.
    """

    def __init__(self, target: Tensor, source: Tensor, null: Tensor):
        super().__init__()
        self.register_buffer("target", target, persistent=False)
        self.register_buffer("source", source, persistent=False)
        self.register_buffer("null", null, persistent=False)

    def first(self, count: int) -> Tensor:
        """The target's prompt for ``count`` images, (count, L, D)."""
        return self.target.expand(count, -1, -1)


class LearnedConditions(nn.Module):
    """As `Conditions`, but the target's prompt has a word that is being learned.

    Args:
        token: the word.
        prompt: the target's, "a prt cat"; embedded anew whenever ``target`` is read.
        source: embeddings (1, L, D) of the source's prompt.
        null: likewise of the empty prompt.
    """

    def __init__(self, token: LearnedToken, prompt: str, source: Tensor, null: Tensor):
        super().__init__()
        self.token, self.prompt = token, prompt
        self.register_buffer("source", source, persistent=False)
        self.register_buffer("null", null, persistent=False)

    @property
    def target(self) -> Tensor:
        """Embeddings (1, L, D) of the target's prompt as the word stands now."""
        return self.token(self.prompt)

    def first(self, count: int) -> Tensor:
        """The same for ``count`` images, (count, L, D)."""
        return self.target.expand(count, -1, -1)


class Captions(nn.Module):
    """Embeddings of the training images' own captions, each distinct one kept once.

    Args:
        distinct: (K, L, D).
        rows: of each image's caption among them, int64 (N,).
        null: of the empty caption, (1, L, D).
    """

    def __init__(self, distinct: Tensor, rows: Tensor, null: Tensor):
        super().__init__()
        self.register_buffer("distinct", distinct, persistent=False)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("null", null, persistent=False)

    def forward(self, chosen: Tensor) -> Tensor:
        """Embeddings (M, L, D) of the captions of images ``chosen`` (M,)."""
        return self.distinct[self.rows[chosen]]

    def first(self, count: int) -> Tensor:
        """Captions of the first images, (count, L, D), from the beginning again after the last."""
        return self(torch.arange(count, device=self.rows.device) % len(self.rows))

    def dropped(self, condition: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Conditions (M, L, D) with the empty caption in place of a random share."""
        empty = uniform(len(condition), generator) < share
        return torch.where(empty.to(condition.device).reshape(-1, 1, 1), self.null, condition)


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
        conditions: Conditions | LearnedConditions | Captions | None = None,
    ):
        self.spec = spec
        self.student = student
        self.conditions = conditions
        self.diffusion = of_network(spec.diffusion, student.trained_levels)
        self.levels = training_levels(spec.diffusion, student.trained_levels)
        self.student_levels = few_step_levels(spec.variant.nfe, self.diffusion)

    @property
    def iterations_per_student_update(self) -> int:
        """Iterations in which the student is updated once."""
        return 1

    def learning_rate(self, group: str) -> float:
        """AdamW's rate for an optimiser group."""
        return self.spec.variant.training.learning_rate

    def frozen_teachers(self) -> list[Backbone]:
        """Networks that no optimiser moves, and that share no weight with one that is trained."""
        trained = set(self.networks.parameters())
        networks = [value for value in vars(self).values() if isinstance(value, Backbone)]
        return [network for network in networks if trained.isdisjoint(network.parameters())]

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
        if isinstance(self.conditions, Captions):
            captions = self.conditions(chosen)
            return Batch(x0, captions, captions)
        target, source = self.conditions.target, self.conditions.source
        prior = None if class_x0 is None else Batch(class_x0, _for_each(class_x0, source))
        return Batch(x0, _for_each(x0, target), _for_each(x0, source), prior)

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


def _for_each(x0: Tensor, embedding: Tensor) -> Tensor:
    return embedding.expand(len(x0), -1, -1)

"""EchoDistill (arXiv 2510.20512): teacher and one-step student learn a subject side by side.

They share a text encoder in which one word is learned. The teacher learns the photos; the student
follows its predictions on frozen features, latents and texture, and discriminators on frozen
features. In the echo stage, a run's last updates, the best of the student's own images join the
teacher's. See SPEC section 6; the losses themselves are in `unidad.losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from unidad import losses
from unidad.config.names import SOURCE_STUDENT, SOURCE_TEACHER
from unidad.config.run import FewStepSettings, RunSpec
from unidad.config.section import NUMBER, Count, Name, NotNegative, Positive, Text, Unit, Whole
from unidad.data.image_set import ImageSet, to_tensor
from unidad.data.prompts import templates_file
from unidad.diffusion.draws import integers
from unidad.diffusion.levels import draw_levels
from unidad.diffusion.process import add_noise
from unidad.methods.base import Batch, Method, StepOutput
from unidad.methods.echo_images import EchoImages
from unidad.networks.backbone import Backbone
from unidad.networks.codec import CHUNK
from unidad.networks.conditions import LearnedConditions
from unidad.networks.discriminator import FeatureHeads, accuracy
from unidad.networks.text import TextEncoder

if TYPE_CHECKING:
    from unidad.features.contract import Extractor
    from unidad.networks.models import Models

ALIGNING = "clip"
"""The frozen network whose tokens student and teacher are aligned on."""
DIRECTIONS, PATCH = 128, 3
"""Of the sliced Wasserstein distance: projections, and side of the patches in pixels."""


@dataclass(frozen=True)
class Drawn:
    """A batch that the student drew, and what the frozen networks see in it.

    Attributes:
        eps: the noise that it started from, (N, C, H, W) in the network's space.
        x0: what it made of it.
        images: that, decoded: (N, 3, H, W).
        tokens: name of a frozen network → (N, L, D).
    """

    eps: Tensor
    x0: Tensor
    images: Tensor
    tokens: dict[str, Tensor]


class EchoDistillSettings(FewStepSettings):
    """EchoDistill: teacher and one-step student learn a subject side by side (personalisation).

    Cross-attention keys and values of both (or their adapters) and one word's embedding are
    trained. `training.learning_rate` is the teacher's.
    """

    needs_prompts: ClassVar[bool] = True
    update_seconds: ClassVar[float] = 1.65

    method: Literal["echodistill"]
    student: str = SOURCE_STUDENT
    """Where the student's weights start: source_student, source_teacher or `<label>`."""
    teacher: str = SOURCE_TEACHER
    """Where the teacher's weights start: source_teacher or `<label>`."""
    features: dict[Name, Text] = Field({"clip": "shipped", "encoder": "shipped"})
    """Frozen networks by name, each with a discriminator; student and teacher are aligned on
    `clip`. shipped (of `clip` and `encoder`; where source_teacher, or feature_network, is train,
    the one trained with it), or the folder of a CLIP, of a vision transformer such as DINO, or of a
    scene network."""
    token_start: Literal["class_word", "rare_token"] = "class_word"
    """Whose embedding the learned one starts from."""
    token_taught_by: Literal["teacher", "both"] = "teacher"
    """Whose losses train the embedding, which both read: the teacher's, or the student's as well
    (not published which)."""
    prompt_templates: Text | None = None
    """What teacher and student read in training: null, "a prt cat" alone; textual_inversion, one of
    the 27 templates that Gal et al. (2023) trained with ("a photo of a prt cat", ...), drawn for
    each image; or a file of one's own, one template a line with {} for the subject."""
    texture: Literal["sliced_wasserstein", "lpips"] = "sliced_wasserstein"
    """The texture distance: multi-scale sliced Wasserstein (the paper's first version), or LPIPS
    (its second) on the scene network if there is one, else the published one."""
    alignment_features_weight: NotNegative = 1.0
    """Weight of one minus the cosine of CLIP's image tokens; as the two below, it is multiplied by
    alpha-bar of the timestep."""
    alignment_latents_weight: NotNegative = 0.5
    """Weight of the mean squared difference of the latents."""
    alignment_texture_weight: NotNegative = 0.1
    """Weight of the texture distance."""
    gan_student_weight: NotNegative = 1.0
    """Weight of the student's adversarial loss, a sum over the frozen networks."""
    student_learning_rate_factor: Positive = 2.0
    """The student's learning rate as a multiple of the teacher's."""
    discriminator_learning_rate: Positive = 1e-4
    """AdamW's rate for the discriminators."""
    echo_rounds: Whole = 1
    """Rounds of the echo stage; 0 leaves it out. This and the four below are not published: our
    choice."""
    echo_updates: Count = 200
    """Student updates of a round: the last ones of `training.student_updates`."""
    echo_candidates: Count = 64
    """Images that the student draws at the start of a round."""
    echo_filter: Annotated[float, Field(gt=0, le=1), NUMBER] = 0.25
    """Share of them that is kept: those most like the photos in the frozen networks."""
    echo_share: Unit = 0.5
    """Share of the teacher's training images that are kept ones, the others being photos."""

    @property
    def echo_images(self) -> int:
        """How many images are kept."""
        return max(1, round(self.echo_candidates * self.echo_filter))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "clip" not in self.features:
            raise ValueError(
                "features: no 'clip', on which student and teacher are aligned; name its folder"
            )
        echo, budget = self.echo_rounds * self.echo_updates, self.training.student_updates
        if echo > budget:
            raise ValueError(
                f"{self.echo_rounds} echo_rounds of {self.echo_updates} echo_updates do not fit "
                f"into {budget} student_updates; take fewer"
            )
        return self

    def origins(self) -> dict[str, str]:
        """Role → whose weights it has; see `MethodSettings`."""
        return super().origins() | {"teacher": self.teacher}

    def with_features(self, trained: dict[str, str]) -> Self:
        """The settings with folders in place of ``shipped``, of networks that are trained here."""
        features = {
            name: trained.get(name, origin) if origin == "shipped" else origin
            for name, origin in self.features.items()
        }
        return self.model_copy(update={"features": features})

    def unused(self) -> set[str]:
        """Its teacher is trained; without echo rounds, the keys for them."""
        keys = {"training.bf16_teachers", "training.offload_teachers"}
        if not self.echo_rounds:
            keys |= {"echo_updates", "echo_candidates", "echo_filter", "echo_share"}
        if self.prompt_templates is None:
            keys.add("prompt_templates")
        return super().unused() | keys

    @property
    def frozen_features(self) -> dict[str, str]:
        """Name → folder of the frozen networks."""
        return self.features

    def input_files(self) -> list[Path]:
        """The frozen networks' weights, and the templates."""
        from unidad.features.frozen import frozen_weights

        templates = [] if self.prompt_templates is None else [templates_file(self.prompt_templates)]
        return [*frozen_weights(self.features), *templates]

    @property
    def trained_networks(self) -> int:
        """Student and teacher."""
        return 2


class EchoDistill(Method):
    """Teacher, one-step student, the word that both read, and discriminators.

    Args:
        spec: the run.
        student: G; of it and of the teacher only what requires a gradient is trained.
        teacher: a many-step model, trained on the photos.
        conditions: the prompts; their word is trained.
        features: name → frozen network; `ALIGNING` is among them, each has a discriminator.
        photos: the subject's, (K, 3, H, W) in [-1, 1].
        perceptual: images → perceptual rows, for ``texture: lpips``.
    """

    Settings = EchoDistillSettings

    def __init__(
        self,
        spec: RunSpec[EchoDistillSettings],
        student: Backbone,
        teacher: Backbone,
        conditions: LearnedConditions,
        features: dict[str, Extractor],
        photos: Tensor,
        perceptual: Callable[[Tensor], Tensor] | None = None,
    ):
        super().__init__(spec, student, conditions)
        self.options = spec.variant
        self.teacher = teacher
        self.features = nn.ModuleDict(features)
        self.photos, self.perceptual = photos, perceptual
        self.discriminator = FeatureHeads(
            {name: rows.shape[1] for name, rows in self.pooled(photos[:1]).items()}
        )
        taught = {"student": student, "teacher": teacher, "token": conditions.token}
        self.networks = nn.ModuleDict(taught | {"discriminator": self.discriminator})
        if self.options.echo_rounds:
            self.networks["echo"] = EchoImages(self.options.echo_images, student.shape)
        word_of_both = self.options.token_taught_by == "both"
        self.groups = {
            "teacher": ("teacher", "token"),
            "student": ("student", "token") if word_of_both else ("student",),
            "discriminator": ("discriminator",),
        }

    @classmethod
    def build(cls, spec: RunSpec[EchoDistillSettings], models: Models) -> Self:
        """Student and teacher, of which the layers that read the prompt learn; frozen networks."""
        # Here, not above: settings are read without the libraries behind these networks.
        from unidad.features.frozen import load_frozen_features, perceptual_of

        variant = spec.variant
        conditions = models.learned_conditions(variant.token_start, variant.prompt_templates)
        student = models.student()
        teacher = models.teacher(student)
        for network in (student, teacher):
            models.reading_alone(network)
        features = {name: load_frozen_features(name, at) for name, at in variant.features.items()}
        perceptual = perceptual_of(features.values()) if variant.texture == "lpips" else None
        photos = to_tensor(ImageSet.load(spec.data).images)
        return cls(spec, student, teacher, conditions, features, photos, perceptual)

    @property
    def echo_starts(self) -> list[int]:
        """Iterations at which the student draws for the teacher: one a round, at the run's end."""
        updates, rounds = self.options.echo_updates, self.options.echo_rounds
        first = self.spec.variant.training.student_updates - rounds * updates
        return [first + number * updates for number in range(rounds)]

    @cached_property
    def of_photos(self) -> dict[str, Tensor]:
        """Pooled features (K, D) of the photos, mirrored ones too if batches have them.

        They pass the codec first, as the student's images do: its traces tell them not apart.
        """
        photos = self.photos
        if self.spec.variant.training.horizontal_flip:
            photos = torch.cat([photos, photos.flip(-1)])
        device = next(self.student.parameters()).device
        codec, parts = self.student.codec, []
        with torch.no_grad():
            for images in photos.to(device).split(CHUNK):
                parts.append(self.pooled(codec.decode(codec.encode(images))))
        return {name: torch.cat([part[name] for part in parts]) for name in self.features}

    def learning_rate(self, group: str) -> float:
        """The student's is a multiple of the teacher's, the discriminators have their own."""
        if group == "discriminator":
            return self.options.discriminator_learning_rate
        factor = self.options.student_learning_rate_factor if group == "student" else 1.0
        return factor * super().learning_rate(group)

    def text_encoder(self) -> TextEncoder:
        """With the word as it was learned."""
        return self.conditions.token.text_encoder()

    def companions(self) -> dict[str, Backbone]:
        """The trained teacher."""
        return {"teacher": self.teacher}

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """The teacher, the student, then the discriminators on the images it was updated on."""
        logs = {}
        if iteration in self.echo_starts:
            logs["echo_similarity"] = self.draw_echo(generator)
        if self.options.echo_rounds and iteration >= self.echo_starts[0]:
            share = self.options.echo_share
            batch = replace(batch, x0=self.networks["echo"].mixed(batch.x0, share, generator))
        if self.options.prompt_templates is not None:
            batch = self._prompted(batch, generator)
        yield self.teacher_step(batch, generator, logs)
        batch = self._prompted(batch, generator)  # the word has moved
        drawn = self.draw(batch, generator)
        yield self.student_step(drawn, batch, generator)
        yield self.discriminator_step(drawn, generator)

    def teacher_step(
        self, batch: Batch, generator: torch.Generator, logs: dict[str, float] | None = None
    ) -> StepOutput:
        """The denoising loss on the photos, and in the echo stage on the student's images."""
        denoising = self.denoising(self.teacher, batch, generator)
        return StepOutput("teacher", {"teacher_denoising": denoising}, logs=logs or {})

    def draw(self, batch: Batch, generator: torch.Generator) -> Drawn:
        """A batch of the student's images, in one step from pure noise, without guidance."""
        eps = self.normal(batch.x0, generator)
        x0 = self._one_step(eps, batch.condition)
        images = self.student.codec.decode(x0)
        return Drawn(eps, x0, images, self.tokens(images))

    def student_step(self, drawn: Drawn, batch: Batch, generator: torch.Generator) -> StepOutput:
        """Alignment with the teacher, and the adversarial loss."""
        output = StepOutput("student", {})
        self._add_alignment(output, drawn, batch, generator)
        logits = self.discriminator(_pooled(drawn.tokens))
        output.losses["gan_student"] = losses.gan_student(logits)
        output.weights["gan_student"] = self.options.gan_student_weight
        return output

    def discriminator_step(self, drawn: Drawn, generator: torch.Generator) -> StepOutput:
        """The student's images against as many photos."""
        count = len(drawn.x0)
        chosen = integers(0, len(self.of_photos[ALIGNING]), count, generator)
        chosen = chosen.to(drawn.x0.device)
        on_real = self.discriminator({name: rows[chosen] for name, rows in self.of_photos.items()})
        on_fake = self.discriminator(_pooled({n: t.detach() for n, t in drawn.tokens.items()}))
        loss = losses.gan_discriminator(on_real, on_fake)
        logs = {"discriminator_accuracy": accuracy(on_real, on_fake)}
        return StepOutput("discriminator", {"gan_discriminator": loss}, logs=logs)

    @torch.no_grad()
    def draw_echo(self, generator: torch.Generator) -> float:
        """Keep the student's images that are most like the photos; returns their mean likeness.

        Likeness is the cosine of pooled features, mean over photos and frozen networks.
        """
        echo, codec = self.networks["echo"], self.student.codec
        count = self.options.echo_candidates
        eps = torch.randn((count, *self.student.shape), generator=generator).to(echo.x0.device)
        conditions = self.conditions.first(count).split(CHUNK)
        candidates = list(map(self._one_step, eps.split(CHUNK), conditions))
        alike = torch.cat([self.likeness(codec.decode(part)) for part in candidates])
        best = alike.topk(len(echo.x0))
        echo.x0.copy_(torch.cat(candidates)[best.indices])
        return float(best.values.mean())

    def likeness(self, images: Tensor) -> Tensor:
        """How much images (N, 3, H, W) are like the photos: (N,), at most 1."""
        cosines = [
            (F.normalize(rows, dim=1) @ F.normalize(self.of_photos[name], dim=1).mT).mean(1)
            for name, rows in self.pooled(images).items()
        ]
        return torch.stack(cosines).mean(0)

    def tokens(self, images: Tensor) -> dict[str, Tensor]:
        """What each frozen network sees in images (N, 3, H, W): (N, L, D)."""
        return {name: network.tokens(images) for name, network in self.features.items()}

    def pooled(self, images: Tensor) -> dict[str, Tensor]:
        """The same, mean over an image's tokens: (N, D)."""
        return _pooled(self.tokens(images))

    def _prompted(self, batch: Batch, generator: torch.Generator) -> Batch:
        return replace(batch, condition=self.conditions.drawn(len(batch.x0), generator))

    def _one_step(self, eps: Tensor, condition: Tensor) -> Tensor:
        sigma = self.student_levels[0].to(eps.device)
        return self.student(sigma * eps, sigma.expand(len(eps)), condition)

    def _add_alignment(
        self, output: StepOutput, drawn: Drawn, batch: Batch, generator: torch.Generator
    ) -> None:
        """Compare with what the teacher sees in the student's latents under the same noise."""
        sigma = draw_levels(self.levels.to(drawn.x0.device), len(drawn.x0), generator)
        with torch.no_grad():
            x = add_noise(drawn.x0, drawn.eps, sigma)
            goal = self.guided(self.teacher)(x, sigma, batch.condition)
            goal_images = self.student.codec.decode(goal)
            goal_tokens = self.features[ALIGNING].tokens(goal_images)
        distances = {
            "alignment_features": losses.feature_distance(drawn.tokens[ALIGNING], goal_tokens),
            "alignment_latents": losses.latent_distance(drawn.x0, goal),
            "alignment_texture": self._texture_distance(drawn.images, goal_images, generator),
        }
        for name, distance in distances.items():
            output.losses[name] = losses.weighted_by_alpha_bar(distance, sigma)
            output.weights[name] = getattr(self.options, f"{name}_weight")

    def _texture_distance(self, images: Tensor, goal: Tensor, generator: torch.Generator) -> Tensor:
        if self.perceptual is not None:
            return losses.perceptual_distance(self.perceptual(images), self.perceptual(goal))
        directions = torch.randn((DIRECTIONS, 3, PATCH, PATCH), generator=generator)
        directions = F.normalize(directions.flatten(1)).view_as(directions)
        return losses.sliced_wasserstein(images, goal, directions.to(images.device))


def _pooled(tokens: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: of_images.mean(1) for name, of_images in tokens.items()}

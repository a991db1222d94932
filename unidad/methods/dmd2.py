"""DMD2 (Yin et al. 2024): distribution matching distillation of one teacher, with a GAN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from unidad import losses
from unidad.config.distillation import Distillation
from unidad.config.names import SOURCE_TEACHER
from unidad.config.run import FewStepSettings, RunSpec
from unidad.diffusion.draws import uniform
from unidad.diffusion.levels import draw_levels
from unidad.diffusion.process import add_noise, per_image
from unidad.diffusion.samplers import few_step_trajectory
from unidad.methods.base import Batch, Method, StepOutput
from unidad.networks.backbone import Backbone, frozen
from unidad.networks.conditions import Captions, Prompts
from unidad.networks.discriminator import accuracy, build_discriminator

if TYPE_CHECKING:
    from unidad.networks.models import Models

INNER_LEVELS = 0.02
"""Share of the noise levels at either end that distribution matching leaves out."""


class DistilledSettings(FewStepSettings):
    """What dmd2 and unidad share: a few-step student."""

    has_fake_score: ClassVar[bool] = True

    distillation: Distillation = Distillation()
    """Settings that differ from the top-level `distillation`."""

    def unused(self) -> set[str]:
        """Without a discriminator, or with a measured weight, the keys for it."""
        keys, options = set(), self.distillation
        if options.heads == "none":
            keys |= {name for name in type(options).model_fields if name.startswith("gan_")}
        if options.gan_gradient_ratio is not None:
            keys.add("gan_student_weight")
        if options.gan_loss != "wgan-gp":
            keys.add("gan_penalty_weight")
        if options.gan_loss != "lsgan":
            keys.add("gan_lsgan_on")
        if options.heads != "single":
            keys.add("gan_single_head")
        if self.nfe == 1:
            keys.add("gradient_through")
        if options.fake_score_start is None:
            keys.add("fake_score_start")
        return super().unused() | {f"distillation.{name}" for name in keys}

    @property
    def trained_networks(self) -> int:
        """Student and fake score."""
        return 2


class Dmd2Settings(DistilledSettings):
    """Distribution matching distillation of one teacher, with a GAN."""

    update_seconds: ClassVar[float] = 1.2

    method: Literal["dmd2"]
    teacher: str = SOURCE_TEACHER
    """The teacher: source_teacher or `<label>`."""

    def origins(self) -> dict[str, str]:
        """Role → whose weights it has; see `MethodSettings`."""
        return super().origins() | {"teacher": self.teacher}


class Dmd2(Method):
    """A few-step student, a fake score that tracks it, a discriminator, and a frozen teacher.

    Args:
        spec: the run.
        student: G.
        fake_score: starts from the teacher's or the student's weights, or from a file's.
        teacher: frozen.
        conditions: embeddings of the prompts or captions; None for unconditional networks.
    """

    Settings = Dmd2Settings

    def __init__(
        self,
        spec: RunSpec[Dmd2Settings],
        student: Backbone,
        fake_score: Backbone,
        teacher: Backbone | None,
        conditions: Prompts | Captions | None = None,
    ):
        super().__init__(spec, student, conditions)
        self.options = spec.variant.distillation
        self.fake_score = fake_score
        self.teacher = None if teacher is None else teacher.requires_grad_(False)
        self.networks = nn.ModuleDict({"student": student, "fake_score": fake_score})
        self.discriminator = build_discriminator(
            self.options.heads, fake_score.feature_channels, self.options.gan_single_head
        )
        if self.discriminator is not None:
            self.networks["discriminator"] = self.discriminator
        critics = tuple(name for name in self.networks if name != "student")
        self.groups = {"student": ("student",), "fake_score": critics}

    @classmethod
    def build(cls, spec: RunSpec[Dmd2Settings], models: Models) -> Self:
        """Student, fake score and the teacher."""
        return cls(spec, **cls.distilling(spec, models))

    @staticmethod
    def distilling(spec: RunSpec[DistilledSettings], models: Models) -> dict[str, nn.Module | None]:
        """Argument → what it is: conditions, student, teacher, fake score."""
        conditions = models.conditions()
        student = models.student()
        teacher = models.teacher(student)
        start, text = spec.variant.distillation.fake_score_start, spec.text_to_image
        if start is None:
            start = "teacher" if text is None else text.fake_score_start
        # Copied before either gets adapters, which are each network's own.
        fake_score = models.fake_score(student if start == "student" else teacher)
        return {
            "student": models.adapted(student),
            "fake_score": models.adapted(fake_score),
            "teacher": teacher,
            "conditions": conditions,
        }

    @property
    def iterations_per_student_update(self) -> int:
        """The ratio R of fake-score updates to student updates."""
        return self.options.fake_score_updates_per_student_update

    def learning_rate(self, group: str) -> float:
        """Fake score and discriminator may have a rate of their own."""
        own = self.options.fake_score_learning_rate if group == "fake_score" else None
        return super().learning_rate(group) if own is None else own

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """Fake score and discriminator every iteration, the student every R-th.

        The fake score sees the very images that the student was updated on.
        """
        update_student = self.updates_student(iteration)
        x0_student = self.student_images(batch, generator, with_gradient=update_student)
        if update_student:
            yield self.student_step(x0_student, batch, generator)
        yield self.fake_score_step(x0_student.detach(), batch, generator)

    def updates_student(self, iteration: int) -> bool:
        """Whether this iteration ends a round of R fake-score updates."""
        return (iteration + 1) % self.iterations_per_student_update == 0

    def student_images(
        self, batch: Batch, generator: torch.Generator, with_gradient: bool
    ) -> Tensor:
        """Draw a batch from the student: K steps from pure noise (SPEC section 3)."""
        steps = few_step_trajectory(
            partial(self.student, condition=batch.condition),
            self.student_levels.to(batch.x0.device),
            lambda: self.normal(batch.x0, generator),
        )
        through = len(self.student_levels) if self.options.gradient_through == "all" else 1
        for step in range(len(self.student_levels)):
            on = with_gradient and step >= len(self.student_levels) - through
            with torch.set_grad_enabled(on):
                x0 = next(steps)
        return x0

    def student_step(
        self, x0_student: Tensor, batch: Batch, generator: torch.Generator
    ) -> StepOutput:
        """Distribution matching and, with a discriminator, the adversarial loss."""
        output = StepOutput("student", {})
        self.add_distribution_matching(output, x0_student, batch, generator)
        if self.discriminator is not None:
            self._add_gan(output, x0_student, batch, generator)
        return output

    def distribution_matching_terms(
        self, x: Tensor, sigma: Tensor, batch: Batch
    ) -> dict[str, tuple[float, Tensor]]:
        """Loss name → (weight, the teacher's x0 prediction at x); no gradient.

        The only teacher models the student's own domain, and reads the same prompt.
        """
        of_source = self.spec.variant.teacher == SOURCE_TEACHER
        name = "dmd_source" if of_source else "dmd_teacher"
        return {name: (1.0, self.guided(self.teacher)(x, sigma, batch.condition))}

    def add_distribution_matching(
        self, output: StepOutput, x0_student: Tensor, batch: Batch, generator: torch.Generator
    ) -> None:
        """Add one DMD loss for each teacher; equal in gradient to the loss of the mixed g."""
        with torch.no_grad():
            x, sigma = self.noised(x0_student, generator, INNER_LEVELS)
            terms = self.distribution_matching_terms(x, sigma, batch)
            if not terms:
                return
            fake = self.fake_score(x, sigma, batch.condition)
        combined = torch.zeros_like(x)
        for name, (weight, real) in terms.items():
            gradient = losses.dmd_gradient(
                x0_student, fake, real, x, sigma, self.options.dmd_normaliser
            )
            output.losses[name] = losses.dmd(x0_student, gradient)
            output.weights[name] = weight
            combined += weight * gradient
        output.logs["dmd_gradient_norm"] = float(combined.norm() / combined.numel())

    def _add_gan(
        self, output: StepOutput, x0_student: Tensor, batch: Batch, generator: torch.Generator
    ) -> None:
        """Add the student's GAN loss; its gradient at the image is logged, perhaps rescaled."""
        ratio = self.options.gan_gradient_ratio
        images = x0_student.view_as(x0_student)
        weight = self.options.gan_student_weight if ratio is None else 1.0

        def at_the_image(gradient: Tensor) -> Tensor:
            norm = gradient.norm()
            if ratio is not None:
                scale = ratio * output.logs["dmd_gradient_norm"] / norm.clamp_min(1e-20)
                gradient, norm = gradient * scale, norm * scale
            output.logs["gan_gradient_norm"] = float(norm)
            return gradient

        if images.requires_grad:
            images.register_hook(at_the_image)
        with frozen(self.fake_score, self.discriminator):
            x, sigma = self.noised(images, generator)
            logits = self.discriminator(self.fake_score.features(x, sigma, batch.condition))
        output.losses["gan_student"] = losses.gan_student(
            logits, self.options.gan_loss, self.options.gan_logits, self.options.gan_lsgan_on
        )
        output.weights["gan_student"] = weight

    def fake_score_step(
        self, x0_student: Tensor, batch: Batch, generator: torch.Generator
    ) -> StepOutput:
        """Denoising of the student's images, and the discriminator through the shared encoder."""
        denoising = self.denoising(self.fake_score, replace(batch, x0=x0_student), generator)
        output = StepOutput("fake_score", {"fake_score_denoising": denoising})
        if self.discriminator is not None:
            self._add_discriminator(output, x0_student, batch, generator)
        return output

    def _add_discriminator(
        self, output: StepOutput, x0_student: Tensor, batch: Batch, generator: torch.Generator
    ) -> None:
        count = len(batch.x0)
        levels = self.levels.to(batch.x0.device)
        images = torch.cat([batch.x0, x0_student])
        if self.options.gan_shared_levels:
            sigma = draw_levels(levels, count, generator).repeat(2)
        else:
            sigma = draw_levels(levels, 2 * count, generator, stacked=2)
        x = add_noise(images, self.normal(images, generator, stacked=2), sigma)
        features = self.fake_score.features(x, sigma, _twice(batch.condition))
        on_real, on_fake = self.discriminator(features).split(count)
        output.losses["gan_discriminator"] = losses.gan_discriminator(
            on_real,
            on_fake,
            self.options.gan_loss,
            self.options.gan_logits,
            self.options.gan_lsgan_on,
        )
        output.weights["gan_discriminator"] = self.options.gan_discriminator_weight
        output.logs["discriminator_accuracy"] = accuracy(on_real, on_fake)
        if self.options.gan_loss == "wgan-gp":
            self._add_gradient_penalty(output, x0_student, batch, generator)

    def _add_gradient_penalty(
        self, output: StepOutput, x0_student: Tensor, batch: Batch, generator: torch.Generator
    ) -> None:
        """WGAN-GP's, between real and student images: a mix of clean ones is noised.

        Mixing noised ones would put the discriminator at a noise level that no image has.
        """
        mix = per_image(uniform(len(x0_student), generator).to(x0_student.device), x0_student)
        x, sigma = self.noised(torch.lerp(batch.x0, x0_student, mix), generator)
        x.requires_grad_(True)
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
            logits = self.discriminator(self.fake_score.features(x, sigma, batch.condition))
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        output.losses["gan_gradient_penalty"] = losses.gradient_penalty(gradient)
        output.weights["gan_gradient_penalty"] = (
            self.options.gan_penalty_weight * self.options.gan_discriminator_weight
        )


def _twice(condition: Tensor | None) -> Tensor | None:
    """The condition of real and student images in one batch."""
    return None if condition is None else torch.cat([condition, condition])

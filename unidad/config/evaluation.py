"""Sampling and measuring."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from unidad.config.section import (
    MOST_IMAGES,
    NUMBER,
    Count,
    Evaluations,
    Images,
    Positive,
    Section,
    Seed,
    Text,
)

MOST_PROMPTS = 10_000
PHOTO, PHOTO_NETWORK = "photo", "efficientnet-lite0"
"""What a configuration calls the network for photographs, and its name."""


class PublishedFeatures(Section):
    """The networks of the literature, where feature_network is published."""

    mode: Literal["legacy_pytorch", "clean"] = "legacy_pytorch"
    """How images are resized for Inception: as pytorch-fid does (the paper) or as clean-fid."""
    trunk: Literal["vgg", "alex"] = "vgg"
    """LPIPS' network."""
    dinov2: bool = False
    """Measure FD-DINOv2, too: the distance in the features of DINOv2 ViT-L/14 (1.2 GB)."""


class IntraLpips(Section):
    """What the definition of Intra-LPIPS leaves open (see unidad.metrics.perceptual)."""

    members: Annotated[int, Field(ge=2), NUMBER] = 100
    """Samples of a cluster that count: the first ones, in order of generation."""
    small_clusters: Literal["zero", "skip"] = "zero"
    """Clusters with fewer than two samples count 0, as in the released code (a model that ignores a
    training image pays for it), or are left out of the mean."""
    unit_range: bool = False
    """Give samples in [0, 1] and training images in [-1, 1], as the released code does."""


class Evaluation(Section):
    """Sampling and metrics."""

    samples: Annotated[Images, Field(ge=16)] = 2000
    """Images drawn for each row."""
    reference_images: Annotated[Images, Field(ge=16)] = 5000
    """Held-out images of each synthetic target."""
    batch_size: Count = 64
    """Images sampled at once; does not change them."""
    seed: Seed = 1000
    """Seed of the samples' noise: the same for every method."""
    source_nfe: Evaluations = 25
    """Evaluations of the unadapted source teacher's row."""
    source_student_nfe: Evaluations = 3
    """Evaluations of the unadapted source student's row (personalisation: 1)."""
    source_sampler: Literal["ddim", "heun"] = "ddim"
    """How a source teacher draws that is trained here; heun (EDM) needs an odd source_nfe. One that
    is given draws as its folder says."""


class Asked(Section):
    """What is typed of a drawing; null: not."""

    count: Images | None = None
    """Of images."""
    seed: Seed | None = None
    """Of the noise."""
    nfe: Evaluations | None = None
    """Network evaluations an image."""


class NoiseGrid(Section):
    """Which images an unconditional model draws."""

    samples: Images = 64
    """Images from the first on."""
    seed: Seed = 0
    """Of the noise; an image's depends on (seed, its number) alone."""
    batch_size: Count = 64
    """Images at once; does not change them."""


class PromptGrid(Section):
    """Which images to draw; they come in prompt-major order."""

    prompts: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_PROMPTS)]
    """What is drawn."""
    images_per_prompt: Images = 4
    """Images of each prompt."""
    seed: Seed = 0
    """Of the noise; an image's depends on (seed, its place in the grid) alone."""
    guidance_scale: Positive = 7.5
    """Classifier-free guidance of many-step models; 1 turns it off. One-step models have none."""
    batch_size: Count = 64
    """Images at once; does not change them."""

    @model_validator(mode="after")
    def _in_memory(self) -> Self:
        count = len(self.prompts) * self.images_per_prompt
        if count > MOST_IMAGES:
            raise ValueError(
                f"images_per_prompt: {count} images in all, at most {MOST_IMAGES} can be drawn"
            )
        return self

    @property
    def captions(self) -> tuple[str, ...]:
        """The prompt of each image."""
        return tuple(prompt for prompt in self.prompts for _ in range(self.images_per_prompt))

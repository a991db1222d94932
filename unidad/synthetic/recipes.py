"""How the networks that ship were trained: their recipes, as sections of settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from unidad.config.section import NUMBER, Count, Positive, Section, Seed

Channels = Annotated[tuple[Count, ...], Field(min_length=1)]


class AtResolution(Section):
    """What an experiment sets for all networks that are trained for it."""

    resolution: Count = 32
    """Of the renderings, in pixels: 16 to 128."""


class FeatureTraining(Section):
    """Training of the feature network of synthetic faces (`unidad train-features`)."""

    seed: Seed = 4242
    """Of renderings, weights and damage; choose one that the benchmark's data do not use."""
    updates: Count = 4000
    """Of the optimiser."""


class NewTextToImage(Section):
    """The untrained U-Net of a small text-to-image model (`unidad new-text-to-image`)."""

    channels: Channels = (96, 160)
    """Of the U-Net's blocks, at halving resolutions: multiples of 32."""
    seed: Seed = 0
    """Of its weights."""


class AutoencoderTraining(Section):
    """Training of the autoencoder of synthetic scenes (`unidad train-vae`)."""

    seed: Seed = 4243
    """Of scenes, weights, order and the posterior's samples."""
    updates: Count = 2500
    """Of the optimiser."""
    scenes: Count = 20_000
    """Rendered once, and drawn from at random."""
    latent_channels: Count = 8
    """Of the latents."""
    divergence_weight: Positive = 1e-3
    """Of the divergence for each latent: noise in the latents, so that small errors of a diffusion
    model leave the picture as it is."""


class ClipTraining(Section):
    """Training of a small CLIP (`unidad train-clip`)."""

    seed: Seed = 0
    """Of scenes, weights and order."""
    updates: Count = 600
    """Of the optimiser."""
    batch_size: Annotated[int, Field(ge=2, multiple_of=2), NUMBER] = 256
    """Of two scenes with the same caption a batch keeps one."""
    patch_size: Literal[4, 8, 16] = 8
    """Side of the patches that images are cut into, in pixels."""
    scenes: Count = 20_000
    """Rendered once, each with a twin that differs in one part."""

    @model_validator(mode="after")
    def _fits(self) -> ClipTraining:
        if self.batch_size > 2 * self.scenes:
            raise ValueError(
                f"a batch of {self.batch_size} needs at least {self.batch_size // 2} scenes"
            )
        return self


class TextClipTraining(ClipTraining):
    """Training of the CLIP whose text encoder conditions the text-to-image models."""

    seed: Seed = 1
    """Another one than that of the CLIP that measures."""
    updates: Count = 400
    """Of the optimiser."""
    patch_size: Literal[4, 8, 16] = 4
    """Side of the patches that images are cut into, in pixels."""


class SceneNetworkTraining(Section):
    """Training of the scene network (`unidad train-scene-features`)."""

    seed: Seed = 4242
    """Of pool, weights, batches and damage."""
    updates: Count = 1300
    """Of the optimiser."""
    instances: Annotated[int, Field(ge=400), NUMBER] = 10_000
    """Of any class, rendered once in several pictures each."""


class SceneModels(Section):
    """How the models of the synthetic scenes are trained; the defaults made the shipped ones."""

    autoencoder: AutoencoderTraining = AutoencoderTraining()
    """Of the text-to-image models."""
    text_clip: TextClipTraining = TextClipTraining()
    """The CLIP whose text encoder conditions the text-to-image models, and that aligns
    EchoDistill."""
    channels: Channels = NewTextToImage().channels
    """Of the U-Net's blocks, at halving resolutions: multiples of 32."""
    source_teacher: str = "configs/specs/scenes_source.json"
    """Run specification (JSON) of its training; its paths and resolution are the experiment's."""
    source_student: str = "configs/specs/scenes_student.json"
    """Likewise."""
    clip: ClipTraining = ClipTraining()
    """The CLIP that measures."""
    encoder: SceneNetworkTraining = SceneNetworkTraining()
    """The scene network that measures."""

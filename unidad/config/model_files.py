"""What is read of the JSON files of a model's folder, beside what their library reads of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from unidad.config.diffusion import Diffusion
from unidad.config.section import NUMBER, Evaluations, Section

Width = Annotated[int, Field(ge=1, le=65_536), NUMBER]
Side = Annotated[int, Field(ge=1, le=4096), NUMBER]
Layers = Annotated[int, Field(ge=1, le=1000), NUMBER]
Beta = Annotated[float, Field(gt=0, lt=1), NUMBER]


class ModelFile(Section):
    """A file that has further keys."""

    model_config = ConfigDict(extra="ignore")


class Index(ModelFile):
    """How an exported model draws: of its index."""

    sampler: Literal["few_step", "ddim", "heun"] = "ddim"
    """Its sampler."""
    nfe: Evaluations = 25
    """Network evaluations an image, unless a call says otherwise."""
    diffusion: Diffusion = Diffusion()
    """The noise process."""


class UNetFile(ModelFile):
    """Sizes of a U-Net, which its constructor takes as they come."""

    sample_size: Side | tuple[Side, Side]
    """Height and width of the network's space."""
    in_channels: Width = 3
    """Of its input."""
    out_channels: Width = 3
    """Of its output."""
    block_out_channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (224, 448, 672, 896)
    """Of its blocks."""
    layers_per_block: Layers | tuple[Layers, ...] = 2
    """Residual blocks in each."""


class SchedulerFile(ModelFile):
    """A noise process with betas."""

    num_train_timesteps: Annotated[int, Field(ge=2, le=100_000), NUMBER] = 1000
    """Its levels."""
    beta_start: Beta = 0.0001
    """The first one."""
    beta_end: Beta = 0.02
    """The last one."""
    trained_betas: Annotated[tuple[Beta, ...], Field(min_length=2)] | None = None
    """All of them."""

"""The noise process, and the architecture of a small network of one's own."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from unidad.config.section import NUMBER, Count, Section, Sigma

PAPER_RESOLUTION, STUDENT_SIGMA_MAX, STUDENT_SIGMA_MIN = 256, 80.0, 0.5
"""Of the paper (SPEC section 3)."""


class Diffusion(Section):
    """The noise process (SPEC: FSIG levels)."""

    sigma_min: Sigma = 0.002
    """Lowest noise level."""
    sigma_max: Sigma = 80.0
    """Highest noise level: pure noise, where sampling starts."""
    rho: Annotated[float, Field(ge=0.1, le=100), NUMBER] = 7.0
    """Spacing of the Karras levels."""
    levels: Annotated[int, Field(ge=1, le=1_000_000), NUMBER] = 1000
    """Number of levels that training draws from."""
    spacing: Literal["karras", "lognormal", "timesteps"] = "karras"
    """Which levels training draws from: Karras levels (the paper, 256x256), the quantiles of a
    log-normal distribution, or the network's own timesteps, whose range then replaces sigma_min and
    sigma_max (personalisation: there the default, and nothing else will do). The same sigma
    destroys far more of a 32x32 image, so small images want lower levels."""
    lognormal_mean: Annotated[float, Field(ge=-13, le=13), NUMBER] | None = None
    """Mean of log sigma, with spacing lognormal; null: -0.8 at 32x32, sigma in proportion to the
    resolution."""
    lognormal_std: Annotated[float, Field(gt=0, le=10), NUMBER] = 1.6
    """Standard deviation of log sigma, with spacing lognormal."""
    student_sigma_max: Sigma | None = None
    """The few-step student's first level, its pure noise; null: in proportion to the resolution, 80
    at 256x256 (the paper) and 10 at 32x32; with spacing timesteps the highest."""
    student_sigma_min: Sigma | None = None
    """The few-step student's last level; its levels are log-linear from its first to here. null: in
    proportion to the resolution, 0.5 at 256x256 (the paper) and 0.0625 at 32x32."""
    sigma_data: Sigma | None = 0.5
    """The denoising loss weights the x0 error by sigma^-2 + sigma_data^-2; null: by sigma^-2, the
    plain error of the noise (personalisation)."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        """The levels of spacing timesteps are the network's own."""
        if self.spacing != "timesteps" and self.sigma_min >= self.sigma_max:
            raise ValueError(
                f"sigma_min: {self.sigma_min:g} is not below sigma_max, {self.sigma_max:g}"
            )
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        mean = self.lognormal_mean if self.spacing == "lognormal" else None
        if mean is not None and not low <= mean <= high:
            raise ValueError(
                f"lognormal_mean: {mean:g} is not between the logarithms of sigma_min and "
                f"sigma_max, {low:.3g} and {high:.3g}"
            )
        return self

    def student_range(self, resolution: int, highest: float | None = None) -> tuple[float, float]:
        """First and last level of the few-step student: in proportion to the resolution.

        Args:
            resolution: of the images, in pixels.
            highest: the network's own level, with spacing timesteps.

        Raises:
            ValueError: the first is below the last.
        """
        ratio = resolution / PAPER_RESOLUTION
        own = STUDENT_SIGMA_MAX * ratio if highest is None else highest
        first = own if self.student_sigma_max is None else self.student_sigma_max
        last = self.student_sigma_min
        last = STUDENT_SIGMA_MIN * ratio if last is None else last
        if first < last:
            raise ValueError(
                f"diffusion.student_sigma_max: {first:g} is below student_sigma_min, {last:g} at "
                f"{resolution}x{resolution}"
            )
        return first, last

    def unused(self, few_step: bool, text_to_image: bool) -> set[str]:
        """Keys that neither a training depends on nor its exported model's sampler.

        Args:
            few_step: whether the model draws in a few steps.
            text_to_image: whether it reads text; it then has its own levels and draws in one step,
                or as diffusers does.
        """
        keys = set()
        if self.spacing != "lognormal":
            keys |= {"lognormal_mean", "lognormal_std"}
        if self.spacing == "timesteps":
            keys |= {"sigma_min", "sigma_max", "levels"}
        if text_to_image or (few_step and self.spacing != "karras"):
            keys.add("rho")
        if text_to_image or not few_step:
            keys |= {"student_sigma_min", "student_sigma_max"}
        return keys


class Network(Section):
    """Architecture of the small source teacher, when it is trained here."""

    unshuffle: Literal[1, 2, 4] = 2
    """Pixel-unshuffle factor: the U-Net works at resolution / unshuffle."""
    components: Count | None = None
    """Principal components of the patches of unshuffle x unshuffle pixels that the network works
    on, of the 3 unshuffle^2 there are; found on training images. It sees each in units of its own
    deviation (EDM's preconditioning). null: the pixels themselves."""
    channels: Annotated[
        tuple[Annotated[int, Field(ge=16, le=4096, multiple_of=16), NUMBER], ...],
        Field(min_length=1),
    ] = (64, 128, 128)
    """Channels of the blocks, at halving resolutions; attention in the last one."""
    layers: Annotated[int, Field(ge=1, le=64), NUMBER] = 1
    """Residual blocks at each resolution."""
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "v_prediction"
    """What the U-Net predicts."""

    @model_validator(mode="after")
    def _components_exist(self) -> Self:
        most = 3 * self.unshuffle**2
        if self.components is not None and self.components > most:
            raise ValueError(f"components: unshuffle {self.unshuffle} makes no more than {most}")
        return self

    def check(self, resolution: int) -> None:
        """Whether images of a resolution can be halved as often as the blocks want it.

        Raises:
            ValueError: they cannot.
        """
        side, halvings = resolution // self.unshuffle, len(self.channels) - 1
        if side % 2**halvings:
            raise ValueError(
                f"network.channels: {halvings + 1} blocks halve an image {halvings} times, which "
                f"{side}x{side} pixels (resolution {resolution} by unshuffle {self.unshuffle}) "
                "cannot be; give fewer"
            )

"""Noise levels: which there are, and which a configuration's `diffusion` section stands for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unidad.config.diffusion import Diffusion
from unidad.diffusion.draws import integers

LOGNORMAL_MEAN = -0.8
"""Mean of log sigma at 32x32: one level in eight lies above 3, where such an image is lost."""


def training_levels(diffusion: Diffusion, trained: Tensor) -> Tensor:
    """The noise levels, ascending, that training draws from with equal probability.

    Args:
        diffusion: the section, without a null.
        trained: levels that the network was trained at, (T,), ascending; these are they with
            spacing timesteps.
    """
    d = diffusion
    if d.spacing == "timesteps":
        return trained
    if d.spacing == "lognormal":
        return lognormal_levels(
            d.levels, d.lognormal_mean, d.lognormal_std, d.sigma_min, d.sigma_max
        )
    return karras_levels(d.levels, d.sigma_min, d.sigma_max, d.rho)


def of_network(diffusion: Diffusion, trained: Tensor, resolution: int) -> Diffusion:
    """The section as it holds for a network, without a null.

    A mean over pixels of noise of level sigma has deviation ``sigma / resolution``: what is lost at
    one resolution is lost at another where sigma is in proportion to it. Spacing timesteps brings
    its own range of levels.

    Args:
        diffusion: the section.
        trained: levels that the network was trained at, (T,), ascending.
        resolution: of its images, in pixels.

    Raises:
        ValueError: the student's first level is below its last.
    """
    low, high = trained[0].item(), trained[-1].item()
    own = diffusion.spacing == "timesteps"
    first, last = diffusion.student_range(resolution, high if own else None)
    found = {"student_sigma_max": first, "student_sigma_min": last}
    if diffusion.lognormal_mean is None:
        found["lognormal_mean"] = LOGNORMAL_MEAN + math.log(resolution / 32)
    found |= {"sigma_min": low, "sigma_max": high} if own else {}
    return diffusion.model_copy(update=found)


def few_step_levels(nfe: int, diffusion: Diffusion) -> Tensor:
    """The few-step student's levels, (nfe,), descending, of a section without a null."""
    return student_levels(nfe, diffusion.student_sigma_max, diffusion.student_sigma_min)


def karras_levels(
    count: int = 1000, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> Tensor:
    """Noise levels of Karras et al. 2022 (EDM), equation 5, ascending.

    Returns:
        float32 (count,), from sigma_min to sigma_max, evenly spaced in sigma^(1/rho).
    """
    ramp = torch.linspace(0, 1, count, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return ((low + ramp * (high - low)) ** rho).float()


def lognormal_levels(
    count: int = 1000,
    mean: float = -0.8,
    std: float = 1.6,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
) -> Tensor:
    """Quantiles of a log-normal distribution of sigma, ascending, clipped to the given range.

    A uniform draw from them follows the distribution that Karras et al. 2022 train with (table 1).

    Returns:
        float32 (count,): ``exp(mean + std * q)``, q the normal quantiles of (i + 1/2) / count.
    """
    middle = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return (mean + std * torch.special.ndtri(middle)).exp().clamp(sigma_min, sigma_max).float()


def student_levels(nfe: int, sigma_max: float = 80.0, sigma_min: float = 0.5) -> Tensor:
    """The student's noise levels: log-linear from sigma_max down to sigma_min.

    Returns:
        float32 (nfe,), descending; for nfe 1 sigma_max alone; for 3 and the defaults 80, 6.32, 0.5.
    """
    if nfe < 1:
        raise ValueError(f"nfe must be at least 1, got {nfe}")
    exponents = torch.linspace(0, 1, nfe, dtype=torch.float64) if nfe > 1 else torch.zeros(1)
    return (sigma_max * (sigma_min / sigma_max) ** exponents).float()


def timestep_levels(alpha_bar: Tensor) -> Tensor:
    """Noise levels ``sqrt((1 - alpha_bar) / alpha_bar)`` of timesteps.

    Args:
        alpha_bar: (T,), descending.

    Returns:
        float32 (T,), ascending.
    """
    alpha_bar = alpha_bar.double()
    return ((1 - alpha_bar) / alpha_bar).sqrt().float()


def draw_levels(
    levels: Tensor,
    count: int,
    generator: torch.Generator,
    inner: float = 0.0,
    stacked: int = 1,
) -> Tensor:
    """Draw noise levels uniformly, leaving out a share ``inner`` of the levels at either end.

    DMD draws from the inner 2-98 % (``inner = 0.02``), the denoising and GAN losses from all.
    For ``stacked`` see `unidad.diffusion.draws.integers`.

    Returns:
        (count,), on the device of ``levels``.
    """
    cut = int(len(levels) * inner)
    indices = integers(cut, len(levels) - cut, count, generator, stacked)
    return levels[indices.to(levels.device)]

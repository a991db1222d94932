"""Which noise levels and which sampler a configuration's `diffusion` section stands for."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from unidad.config.diffusion import Diffusion
from unidad.diffusion.process import (
    Denoiser,
    karras_levels,
    lognormal_levels,
    many_step_sampler,
    sample_few_step,
    student_levels,
    timestep_levels,
)
from unidad.errors import UserError

Sampler = Callable[[Denoiser, Tensor, Callable[[], Tensor]], Tensor]


def training_levels(diffusion: Diffusion, alpha_bar: Tensor) -> Tensor:
    """The noise levels, ascending, that training draws from with equal probability.

    Args:
        diffusion: the section.
        alpha_bar: of the network's timesteps, (T,), descending; read with spacing timesteps alone.
    """
    d = diffusion
    if d.spacing == "timesteps":
        return timestep_levels(alpha_bar)
    if d.spacing == "lognormal":
        return lognormal_levels(
            d.levels, d.lognormal_mean, d.lognormal_std, d.sigma_min, d.sigma_max
        )
    return karras_levels(d.levels, d.sigma_min, d.sigma_max, d.rho)


def of_network(diffusion: Diffusion, alpha_bar: Tensor) -> Diffusion:
    """The section as it holds for a network: spacing timesteps brings its own range of levels."""
    if diffusion.spacing != "timesteps":
        return diffusion
    levels = timestep_levels(alpha_bar)
    return diffusion.model_copy(
        update={"sigma_min": levels[0].item(), "sigma_max": levels[-1].item()}
    )


def few_step_levels(nfe: int, diffusion: Diffusion) -> Tensor:
    """The few-step student's levels, (nfe,), descending."""
    return student_levels(
        nfe, diffusion.student_sigma_max or diffusion.sigma_max, diffusion.student_sigma_min
    )


def sampler_of(name: str, nfe: int, diffusion: Diffusion) -> tuple[Sampler, Tensor]:
    """The sampler ``few_step``, ``ddim`` or ``heun`` with its levels for ``nfe`` evaluations.

    Raises:
        UserError: an unknown sampler, or a number of evaluations that it cannot spend.
    """
    if nfe < 1:
        raise UserError(f"nfe must be at least 1, got {nfe}")
    if name == "few_step":
        return sample_few_step, few_step_levels(nfe, diffusion)
    d = diffusion
    try:
        return many_step_sampler(name, nfe, d.sigma_min, d.sigma_max, d.rho)
    except ValueError as error:
        raise UserError(str(error)) from None

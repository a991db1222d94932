"""Samplers: from noise to an image, in few steps or in many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from unidad.config.diffusion import Diffusion
from unidad.diffusion.levels import few_step_levels, karras_levels
from unidad.diffusion.process import per_image
from unidad.errors import UserError

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""``net(x, sigma) -> x0``: x (N, C, H, W), sigma (N,)."""
Sampler = Callable[[Denoiser, Tensor, Callable[[], Tensor]], Tensor]
"""``sampler(net, levels, noise) -> x0``."""


def sampler_of(name: str, nfe: int, diffusion: Diffusion) -> tuple[Sampler, Tensor]:
    """A sampler with its levels, descending, that spends exactly ``nfe`` network evaluations.

    Args:
        name: ``few_step``, ``ddim``, or ``heun``, which needs an odd nfe.
        nfe: network evaluations an image.
        diffusion: gives the student's levels, or the range and rho of Karras levels.

    Raises:
        UserError: an unknown sampler, or a number of evaluations that it cannot spend.
    """
    if nfe < 1:
        raise UserError(f"nfe must be at least 1, got {nfe}")
    if name == "few_step":
        return sample_few_step, few_step_levels(nfe, diffusion)
    span = diffusion.sigma_min, diffusion.sigma_max, diffusion.rho
    if name == "ddim":
        return sample_ddim, karras_levels(nfe, *span).flip(0)
    if name == "heun" and nfe % 2:
        return sample_heun, karras_levels((nfe + 1) // 2, *span).flip(0)
    raise UserError(f"no sampler '{name}' with nfe {nfe}: ddim takes any, heun an odd nfe")


class IndexedNoise:
    """Gaussian noise that depends on (seed, image index, draw) alone, never on the batch.

    The generator of an image is seeded once; the draws of a sampler follow in order.
    """

    def __init__(self, seed: int, indices: Sequence[int], shape: Sequence[int]):
        self._generators = [
            torch.Generator().manual_seed((seed * 1_000_003 + int(index)) % (1 << 63))
            for index in indices
        ]
        self._shape = tuple(shape)

    def __call__(self) -> Tensor:
        """The next draw, float32 (N, *shape)."""
        return torch.stack([torch.randn(self._shape, generator=g) for g in self._generators])


def few_step_trajectory(
    net: Denoiser, levels: Tensor, noise: Callable[[], Tensor]
) -> Iterator[Tensor]:
    """Yield the x0 prediction of each step of a few-step student.

    ``z ~ N(0, levels[0]^2)``; each step predicts x0, which is noised afresh to the next level
    (Yin et al. 2024, DMD2, section 4.5). Gradients flow through whatever the caller lets through.

    Args:
        net: the student.
        levels: (nfe,), descending.
        noise: gives a fresh (N, C, H, W) draw of unit variance at every call.
    """
    x = levels[0] * noise()
    for step, sigma in enumerate(levels):
        x0 = net(x, sigma.expand(len(x)))
        yield x0
        if step + 1 < len(levels):
            x = x0 + levels[step + 1] * noise()


def sample_few_step(net: Denoiser, levels: Tensor, noise: Callable[[], Tensor]) -> Tensor:
    """The last x0 of `few_step_trajectory`: one network evaluation for each level."""
    for x0 in few_step_trajectory(net, levels, noise):
        result = x0
    return result


def sample_ddim(net: Denoiser, levels: Tensor, noise: Callable[[], Tensor]) -> Tensor:
    """Deterministic DDIM (Song et al. 2021): Euler steps of ``dx/dsigma = (x - x0) / sigma``.

    Args:
        net: the denoiser.
        levels: (nfe,), descending; the last step goes to sigma 0, where it returns x0 itself.
        noise: called once.
    """
    x = levels[0] * noise()
    for sigma, following in zip(levels, [*levels[1:], 0.0], strict=True):
        x0 = net(x, sigma.expand(len(x)))
        x = x0 + (x - x0) * (following / sigma)
    return x


def sample_heun(net: Denoiser, levels: Tensor, noise: Callable[[], Tensor]) -> Tensor:
    """Heun's second-order sampler (Karras et al. 2022, algorithm 1, no churn).

    Args:
        net: the denoiser.
        levels: (steps,), descending; costs ``2 * steps - 1`` evaluations, the last step to
            sigma 0 being an Euler step.
        noise: called once.
    """
    x = levels[0] * noise()
    for step, sigma in enumerate(levels):
        x0 = net(x, sigma.expand(len(x)))
        if step + 1 == len(levels):
            return x0
        following = levels[step + 1]
        slope = (x - x0) / sigma
        ahead = x + (following - sigma) * slope
        slope_ahead = (ahead - net(ahead, following.expand(len(x)))) / following
        x = x + (following - sigma) * (slope + slope_ahead) / 2
    raise ValueError("levels is empty")


def ode_step(
    net: Denoiser,
    x: Tensor,
    sigma: Tensor,
    following: Tensor,
    solver: Literal["ddim", "heun"] = "ddim",
) -> Tensor:
    """One step down the probability flow ``dx/dsigma = (x - x0) / sigma``, of each image its own.

    Args:
        net: the denoiser.
        x: (N, C, H, W) at levels sigma (N,).
        sigma: above 0.
        following: the levels to go to (N,); at 0 the step is an Euler step, as in `sample_heun`.
        solver: ``ddim``, an Euler step of one evaluation, or ``heun``, of two.
    """
    x0 = net(x, sigma)
    ahead = x0 + per_image(following / sigma, x) * (x - x0)
    if solver == "ddim":
        return ahead
    ended = following == 0
    level = torch.where(ended, sigma, following)
    slope_ahead = (ahead - net(ahead, level)) / per_image(level, x)
    slope = (x - x0) / per_image(sigma, x)
    improved = x + per_image(following - sigma, x) * (slope + slope_ahead) / 2
    return torch.where(per_image(ended, x), ahead, improved)

"""The noise process: levels, adding noise, conversions between predictions, samplers.

Everything is written in the variance-exploding view ``x = x0 + sigma * eps``. A network that was
trained in the variance-preserving view (DDPM) sees ``x / sqrt(1 + sigma^2)`` at the timestep whose
alpha-bar is nearest to ``1 / (1 + sigma^2)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from unidad.diffusion.draws import integers

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""``net(x, sigma) -> x0``: x (N, C, H, W), sigma (N,)."""


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


def per_image(values: Tensor, like: Tensor) -> Tensor:
    """Reshape (N,) so that it broadcasts over (N, C, H, W)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def add_noise(x0: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    """``x0 + sigma * eps`` for x0, eps (N, C, H, W) and sigma (N,)."""
    return x0 + per_image(sigma, x0) * eps


def x0_from_eps(x: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    """The x0 that a noise prediction stands for: ``x - sigma * eps``."""
    return x - per_image(sigma, x) * eps


def eps_from_x0(x: Tensor, x0: Tensor, sigma: Tensor) -> Tensor:
    """The noise that an x0 prediction stands for: ``(x - x0) / sigma``."""
    return (x - x0) / per_image(sigma, x)


def x0_from_v(x: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
    """The x0 that a v-prediction stands for (Salimans & Ho 2022, section 4).

    With ``alpha_t = 1 / sqrt(1 + sigma^2)``, ``sigma_t = sigma * alpha_t`` and
    ``x_t = alpha_t * x``: ``x0 = alpha_t * x_t - sigma_t * v``.
    """
    alpha_squared = per_image(1 / (1 + sigma**2), x)
    return alpha_squared * x - per_image(sigma / (1 + sigma**2).sqrt(), x) * v


def v_from_x0(x: Tensor, x0: Tensor, sigma: Tensor) -> Tensor:
    """The v that an x0 prediction stands for: the inverse of ``x0_from_v``."""
    alpha_squared = per_image(1 / (1 + sigma**2), x)
    return (alpha_squared * x - x0) / per_image(sigma / (1 + sigma**2).sqrt(), x)


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


def many_step_sampler(
    name: str, nfe: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> tuple[Callable[[Denoiser, Tensor, Callable[[], Tensor]], Tensor], Tensor]:
    """A many-step sampler with Karras levels that spends exactly ``nfe`` evaluations.

    Args:
        name: ``ddim`` or ``heun`` (which needs an odd nfe).
        nfe: network evaluations an image.
        sigma_min: the last level before 0.
        sigma_max: the level of pure noise.
        rho: the spacing of the levels.

    Returns:
        The sampler and its levels, descending.

    Raises:
        ValueError: an unknown name, or an even nfe for Heun.
    """
    if name == "ddim":
        return sample_ddim, karras_levels(nfe, sigma_min, sigma_max, rho).flip(0)
    if name == "heun" and nfe % 2:
        return sample_heun, karras_levels((nfe + 1) // 2, sigma_min, sigma_max, rho).flip(0)
    raise ValueError(f"no sampler '{name}' with nfe {nfe}: ddim takes any, heun an odd nfe")

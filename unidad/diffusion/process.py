"""The noise process: adding noise, and the x0 that a prediction stands for.

Everything is written in the variance-exploding view ``x = x0 + sigma * eps``. Networks were trained
in other views of the same process, and see x on another scale:

- variance-preserving (DDPM): ``x / sqrt(1 + sigma^2)``, at the timestep whose alpha-bar is nearest
  to ``1 / (1 + sigma^2)``;
- rectified flow: ``(1 - t) * x0 + t * eps = (1 - t) * x`` at the time ``t = sigma / (1 + sigma)``,
  that is ``sigma = t / (1 - t)``.
"""

from __future__ import annotations

from torch import Tensor


def per_image(values: Tensor, like: Tensor) -> Tensor:
    """Reshape (N,), or (N, C) of channels, so that it broadcasts over (N, C, H, W)."""
    return values.reshape(*values.shape, *[1] * (like.ndim - values.ndim))


def add_noise(x0: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    """``x0 + sigma * eps`` for x0, eps (N, C, H, W) and sigma (N,)."""
    return x0 + per_image(sigma, x0) * eps


def x0_from_eps(x: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    """The x0 that a noise prediction stands for: ``x - sigma * eps``."""
    return x - per_image(sigma, x) * eps


def x0_from_v(x: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
    """The x0 that a v-prediction stands for (Salimans & Ho 2022, section 4).

    With ``alpha_t = 1 / sqrt(1 + sigma^2)``, ``sigma_t = sigma * alpha_t`` and
    ``x_t = alpha_t * x``: ``x0 = alpha_t * x_t - sigma_t * v``.
    """
    alpha_squared = per_image(1 / (1 + sigma**2), x)
    return alpha_squared * x - per_image(sigma / (1 + sigma**2).sqrt(), x) * v


def x0_from_flow(x: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """The x0 that a velocity ``eps - x0`` stands for (Liu et al. 2023; Esser et al. 2024).

    With ``t = sigma / (1 + sigma)`` and ``x_t = (1 - t) * x``: ``x0 = x_t - t * velocity``.
    """
    return (x - per_image(sigma, x) * velocity) / per_image(1 + sigma, x)


def flow_time(sigma: Tensor) -> Tensor:
    """The time of a rectified flow at a noise level: ``sigma / (1 + sigma)``, in [0, 1)."""
    return sigma / (1 + sigma)


def flow_level(time: Tensor) -> Tensor:
    """The noise level at a time of a rectified flow: ``t / (1 - t)``, infinite at t = 1."""
    return time / (1 - time)

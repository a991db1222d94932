"""Copies: samples that are too near to a training image."""

from __future__ import annotations

from torch import Tensor

CHANCE = 0.001
"""Share of new images that count as memorised."""
RATIO = 1 / 3


def memorisation(samples: Tensor, held_out: Tensor) -> float:
    """Share of samples nearer to their nearest training image than held-out images come.

    The threshold is the 0.1 % quantile of the distances between held-out images and their nearest
    training image; of fewer than 1000 it is the smallest.

    Args:
        samples: distance (N,) of each to its nearest training image, see `Nearest`.
        held_out: the same (M,) of new images; a small M makes the threshold lax.

    Returns:
        In [0, 1]; about 0.001, or ``1 / (M + 1)`` if that is more, for samples from the same
        distribution as `held_out`; 1 for the training images themselves.
    """
    threshold = held_out.quantile(CHANCE, interpolation="lower")
    return (samples < threshold).double().mean().item()


def near_copies(distances: Tensor) -> float | None:
    """Share of samples three times nearer to one training image than to the second-nearest.

    It needs no held-out images (Yoon et al. 2023, "Diffusion probabilistic models generalize when
    they fail to memorize", who compare pixels; here, features).

    Args:
        distances: (N, 2), see `Nearest`.

    Returns:
        In [0, 1]; None for a single training image.
    """
    if distances.shape[1] < 2:
        return None
    return (distances[:, 0] < RATIO * distances[:, 1]).double().mean().item()

"""Memorisation: samples that are nearer to a training image than any new image would be."""

from __future__ import annotations

from torch import Tensor


def memorisation(samples: Tensor, held_out: Tensor) -> float:
    """Share of samples nearer to their nearest training image than held-out images ever come.

    The threshold is the smallest distance between a held-out and a training image: a sample
    within it repeats a training image more closely than any of the M new images does.

    Args:
        samples: distance (N,) of each to its nearest training image, see `distances_to_nearest`.
        held_out: the same (M,) of new images; a small M makes the threshold lax.

    Returns:
        In [0, 1]; about ``1 / (M + 1)`` for samples from the same distribution as `held_out`, 1
        for the training images themselves.
    """
    return (samples < held_out.min()).double().mean().item()

"""Memorisation: samples that are nearer to a training image than any new image would be."""

from __future__ import annotations

from torch import Tensor

from unidad.metrics.rows import Rows, as_rows, nearest_distances, same_width


def memorisation(samples: Rows, training: Rows, held_out: Rows) -> float:
    """Share of samples nearer to their nearest training image than held-out images ever come.

    The threshold is the smallest distance between a held-out and a training image: a sample
    within it repeats a training image more closely than any of the M new images does.

    Args:
        samples: (N, D).
        training: (k, D).
        held_out: (M, D), none of them a training image; a small M makes the threshold lax.

    Returns:
        In [0, 1]; about ``1 / (M + 1)`` for samples from the same distribution as `held_out`, 1
        for the training images themselves.

    Raises:
        UserError: an empty set, differing D, or values that are not finite.
    """
    first = as_rows(samples, "samples")
    known = as_rows(training, "training images")
    new = as_rows(held_out, "held-out images")
    same_width(first, known)
    same_width(new, known)
    return share_nearer(nearest_distances(first, known), nearest_distances(new, known))


def share_nearer(samples: Tensor, held_out: Tensor) -> float:
    """`memorisation` from the distances (N,) and (M,) of either to the nearest training image."""
    return (samples < held_out.min()).double().mean().item()

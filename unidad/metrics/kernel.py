"""Kernel distance: maximum mean discrepancy between two sets of features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unidad.metrics.rows import Rows, as_rows, same_width


def kernel_distance(
    samples: Rows,
    reference: Rows,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> float:
    """KID (Bińkowski et al. 2018): unbiased squared MMD, kernel ``(x·y / D + 1)^3``.

    Args:
        samples: (N, D), N at least 2.
        reference: (M, D), M at least 2.
        subsets: pairs of random subsets over which the estimate is averaged.
        subset_size: rows of a subset, at most min(N, M).
        seed: of the subsets.

    Returns:
        The mean over the subsets; around 0, on either side, for equal distributions.

    Raises:
        UserError: too few rows, differing D, or values that are not finite.
    """
    first, second = as_rows(samples, "samples", 2), as_rows(reference, "the reference", 2)
    same_width(first, second)
    size = min(len(first), len(second), subset_size)
    draw = np.random.default_rng(seed)
    estimates = [
        _unbiased_mmd(_subset(first, size, draw), _subset(second, size, draw))
        for _ in range(subsets)
    ]
    return float(np.mean(estimates))


def _subset(rows: Tensor, size: int, draw: np.random.Generator) -> Tensor:
    return rows[torch.from_numpy(draw.choice(len(rows), size, replace=False))]


def _unbiased_mmd(first: Tensor, second: Tensor) -> float:
    """Eq. 4 of the paper for two (m, D): pairs of an image with itself are left out."""
    size = len(first)
    within = sum(
        kernel.sum() - kernel.diagonal().sum()
        for kernel in (_kernel(first, first), _kernel(second, second))
    )
    across = _kernel(first, second).mean()
    return (within / (size * (size - 1)) - 2 * across).item()


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    return (first @ second.T / first.shape[1] + 1) ** 3

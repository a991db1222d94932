"""Fréchet distance between the Gaussians that fit two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from unidad.metrics.rows import Rows, as_rows, same_width


def frechet_distance(samples: Rows, reference: Rows) -> float:
    """Squared 2-Wasserstein distance of two fitted Gaussians (Heusel et al. 2017, eq. 6).

    ``|m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr (C1 C2)^(1/2)``, covariances with N - 1. With factors
    ``C = F^T F`` the last trace is the sum of the singular values of ``F1 F2^T``: no root of a
    product that is not symmetric, and nothing to add to the diagonal when a covariance is singular.
    Rows are a factor themselves, so that no covariance is formed.

    Args:
        samples: (N, D), N at least 2.
        reference: (M, D), M at least 2.

    Returns:
        At least 0. With finite N it exceeds the true distance, the more so the smaller N is:
        compare at equal N only.

    Raises:
        UserError: too few rows, differing D, or values that are not finite.
    """
    rows, others = as_rows(samples, "samples", 2), as_rows(reference, "the reference", 2)
    same_width(rows, others)
    return _distance(*_factored(rows), *_factored(others))


def _distance(mean1: Tensor, factor1: Tensor, mean2: Tensor, factor2: Tensor) -> float:
    traces = factor1.square().sum() + factor2.square().sum()
    root = torch.linalg.svdvals(factor1 @ factor2.T).sum()
    return max(((mean1 - mean2).square().sum() + traces - 2 * root).item(), 0.0)


def _factored(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and a factor (K, D) of the covariance of rows (N, D), K the smaller of N and D."""
    mean = rows.mean(0)
    factor = (rows - mean) / (len(rows) - 1) ** 0.5
    return mean, factor if len(rows) <= rows.shape[1] else torch.linalg.qr(factor, mode="r").R

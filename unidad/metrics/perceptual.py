"""LPIPS as Euclidean distance of rows, and the diversity within clusters of samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from unidad.errors import UserError
from unidad.metrics.rows import squared_distances

EPSILON = 1e-10
"""Added to the norm over channels, as the lpips package does."""


def perceptual_rows(maps: Iterable[Tensor], weights: Sequence[Tensor] | None = None) -> Tensor:
    """Flatten a network's maps so that the squared distance of two rows is their LPIPS.

    LPIPS (Zhang et al. 2018, eq. 1) sums over layers, and averages over places, the weighted
    squared difference of maps of unit length over channels. Each such map, times
    ``sqrt(weight / (H W))``, is a part of the row.

    Args:
        maps: one (N, C, H, W) for each layer.
        weights: one non-negative (C,) for each layer; all 1 by default, the lpips package's
            ``lpips=False``.

    Returns:
        (N, P), P the sum of C H W over layers.
    """
    parts = []
    for layer, values in enumerate(maps):
        height, width = values.shape[2:]
        unit = values / (values.square().sum(1, keepdim=True).sqrt() + EPSILON)
        if weights is not None:
            unit = unit * weights[layer].view(1, -1, 1, 1).sqrt()
        parts.append(unit.flatten(1) / (height * width) ** 0.5)
    return torch.cat(parts, 1)


def intra_lpips(sample_batches: Iterable[Tensor], training: Tensor, limit: int = 100) -> float:
    """Mean LPIPS between samples that are nearest to the same training image (Ojha et al. 2021).

    Each sample joins the cluster of the training image with the smallest LPIPS to it. A cluster's
    first `limit` samples, in order, give the mean over their pairs, 0 where there are fewer than
    two; the result is the mean over clusters.

    Args:
        sample_batches: rows (n, P) of `perceptual_rows`, batch by batch: at most `limit` rows a
            cluster are kept.
        training: rows (k, P) of the k training images.
        limit: members of a cluster that count.

    Returns:
        At least 0; low where samples repeat each other.

    Raises:
        UserError: no training image, or a row is not finite.
    """
    if len(training) == 0:
        raise UserError("Intra-LPIPS needs at least one training image; the training set is empty")
    clusters: list[list[Tensor]] = [[] for _ in range(len(training))]
    for batch in sample_batches:
        distances = squared_distances(batch, training)
        if not torch.isfinite(distances).all():
            raise UserError("Intra-LPIPS: NaN or infinite maps; check images and feature network")
        for row, nearest in zip(batch, distances.argmin(1).tolist(), strict=True):
            if len(clusters[nearest]) < limit:
                clusters[nearest].append(row.clone())
    return sum(_mean_pairwise(members) for members in clusters) / len(clusters)


def _mean_pairwise(members: list[Tensor]) -> float:
    """Mean over the pairs of rows (P,), each counted in both orders."""
    count = len(members)
    if count < 2:
        return 0.0
    rows = torch.stack(members)
    distances = squared_distances(rows, rows).fill_diagonal_(0)
    return distances.sum().item() / (count * (count - 1))

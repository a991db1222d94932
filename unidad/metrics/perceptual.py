"""LPIPS as Euclidean distance of rows, and the diversity within clusters of samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from unidad.config.evaluation import IntraLpips
from unidad.errors import UserError
from unidad.metrics.rows import TooFewRowsError, squared_distances

EPSILON = 1e-10
"""Added to the norm over channels, as the lpips package does."""
DEFAULT_RULES = IntraLpips()


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


def intra_lpips(
    sample_batches: Iterable[Tensor], training: Tensor, rules: IntraLpips = DEFAULT_RULES
) -> float:
    """Mean LPIPS between samples that are nearest to the same training image (Ojha et al. 2021).

    Each sample joins the cluster of the training image with the smallest LPIPS to it. A cluster's
    first members give the mean over all their pairs; the result is the mean over clusters.

    No pair is ever formed, see `RowSums`. Memory holds one batch and two rows for each training
    image, however many samples there are.

    Args:
        sample_batches: rows (n, P) of `perceptual_rows`, batch by batch; `rules.unit_range` is
            already applied to them.
        training: rows (k, P) of the k training images.
        rules: which members and which clusters count.

    Returns:
        At least 0; low where samples repeat each other.

    Raises:
        TooFewRowsError: no cluster has two samples, and such clusters are skipped.
        UserError: no training image, a row is not finite, or images of two resolutions.
    """
    if len(training) == 0:
        raise UserError("Intra-LPIPS needs at least one training image; the training set is empty")
    clusters = [RowSums(row) for row in training]
    for batch in sample_batches:
        for row, nearest in zip(batch, _nearest(batch, training), strict=True):
            if clusters[nearest].count < rules.members:
                clusters[nearest].add(row)
    if rules.small_clusters == "skip":
        clusters = [cluster for cluster in clusters if cluster.count > 1]
        if not clusters:
            raise TooFewRowsError("Intra-LPIPS: no two samples in any cluster; draw more samples")
    return sum(cluster.mean_pairwise() for cluster in clusters) / len(clusters)


class RowSums:
    """Squared distances over all pairs of rows (P,), without forming a pair.

    Over the pairs of n rows they sum to ``n sum |r|^2 - |sum r|^2``.

    Args:
        centre: taken off every row, so that nothing large cancels; any row near the others.
    """

    def __init__(self, centre: Tensor) -> None:
        self.centre = centre
        self.count = 0
        self.total = torch.zeros_like(centre)
        self.squares = 0.0

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return self.count * (self.count - 1) // 2

    def add(self, row: Tensor) -> None:
        """Count a row in."""
        offset = row - self.centre
        self.count += 1
        self.total += offset
        self.squares += offset.square().sum().item()

    def pair_sum(self) -> float:
        """Sum of the squared distances over all pairs."""
        return max(self.count * self.squares - self.total.square().sum().item(), 0.0)

    def mean_pairwise(self) -> float:
        """Mean squared distance over all pairs; 0 where there is none."""
        return self.pair_sum() / self.pairs if self.pairs else 0.0


def _nearest(batch: Tensor, training: Tensor) -> list[int]:
    if batch.shape[1] != training.shape[1]:
        raise UserError(
            "Intra-LPIPS: samples and training images differ in resolution; bring them to one"
        )
    distances = squared_distances(batch, training)
    if not torch.isfinite(distances).all():
        raise UserError("Intra-LPIPS: NaN or infinite maps; check images and feature network")
    return distances.argmin(1).tolist()

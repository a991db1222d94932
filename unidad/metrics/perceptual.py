"""Diversity: LPIPS among samples that belong together, from rows whose distance it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from unidad.errors import UserError
from unidad.metrics.rows import TooFewRowsError, squared_distances


def intra_lpips(groups: Sequence[float]) -> float:
    """The mean over groups of the mean LPIPS within a group; low where samples repeat each other.

    Args:
        groups: of `within_clusters` (Ojha et al. 2021) or of `within_and_across_prompts`.
    """
    return sum(groups) / len(groups)


def within_clusters(
    sample_batches: Iterable[Tensor], training: Tensor, members: int, skip_small: bool
) -> list[float]:
    """Mean LPIPS between samples that are nearest to the same training image, for each of these.

    Each sample joins the cluster of the training image with the smallest LPIPS to it. A cluster's
    first members give the mean over all their pairs.

    No pair is ever formed, see `RowSums`. Memory holds one batch and two rows for each training
    image, however many samples there are.

    Args:
        sample_batches: rows (n, P) of `perceptual_rows`, batch by batch.
        training: rows (k, P) of the k training images.
        members: how many samples of a cluster count, the first ones.
        skip_small: leave out clusters with fewer than two samples; they count 0 otherwise.

    Raises:
        TooFewRowsError: no cluster has two samples, and such clusters are skipped.
        UserError: no training image, a row is not finite, or images of two resolutions.
    """
    if len(training) == 0:
        raise UserError("Intra-LPIPS needs at least one training image; the training set is empty")
    clusters = [RowSums(row) for row in training]
    for batch in sample_batches:
        for row, nearest in zip(batch, _nearest(batch, training), strict=True):
            if clusters[nearest].count < members:
                clusters[nearest].add(row)
    if skip_small:
        clusters = [cluster for cluster in clusters if cluster.count > 1]
        if not clusters:
            raise TooFewRowsError("Intra-LPIPS: no two samples in any cluster; draw more samples")
    return [cluster.mean_pairwise() for cluster in clusters]


def within_and_across_prompts(
    rows: Iterable[Tensor], prompts: Sequence[int]
) -> tuple[list[float], float | None]:
    """Mean LPIPS over the pairs of each prompt, and over all pairs across prompts.

    No pair is formed: what lies across prompts is what lies between all images less what lies
    within prompts. Memory holds four rows, whatever the number of images.

    Args:
        rows: of `perceptual_rows`, each (P,).
        prompts: number of each row's prompt; equal numbers stand together.

    Returns:
        A mean for each prompt that has two images; one number, None for a single prompt.
    """
    everything: RowSums | None = None
    within = []
    for _, group in groupby(zip(rows, prompts, strict=True), key=itemgetter(1)):
        own: RowSums | None = None
        for row, _ in group:
            everything, own = everything or RowSums(row), own or RowSums(row)
            everything.add(row)
            own.add(row)
        within.append((own.pairs, own.pair_sum()))
    means = [total / pairs for pairs, total in within if pairs]
    pairs_within, sum_within = (sum(column) for column in zip(*within, strict=True))
    across = everything.pairs - pairs_within
    inter = max(everything.pair_sum() - sum_within, 0.0) / across if across else None
    return means, inter


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

"""Rows of features: what metrics accept, and distances between rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unidad.errors import UserError

Rows = np.ndarray | Tensor
CHUNK = 1000


class TooFewRowsError(UserError):
    """A metric needs more images than there are."""


def as_rows(values: Rows, what: str, at_least: int = 1) -> Tensor:
    """Check features and bring them into the shape that metrics compute with.

    Args:
        values: (N, D), of any real type.
        what: whose features they are, for messages: "samples".
        at_least: the metric's smallest N.

    Returns:
        float64 (N, D), on the CPU.

    Raises:
        TooFewRowsError: N is smaller than `at_least`.
        UserError: not two dimensions, D is 0, or a value is NaN or infinite.
    """
    rows = torch.as_tensor(values).detach().cpu().double()
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise UserError(f"features of {what} must be (images, dims), found {tuple(rows.shape)}")
    if len(rows) < at_least:
        raise TooFewRowsError(
            f"{what}: {len(rows)} images, but this metric needs at least {at_least}; add images"
        )
    broken = ~torch.isfinite(rows).all(1)
    if broken.any():
        raise UserError(
            f"features of {what}: NaN or infinite in {int(broken.sum())} rows, the first is image "
            f"{int(broken.nonzero()[0])}; check the images and the feature network"
        )
    return rows


def same_width(first: Tensor, second: Tensor) -> None:
    """Refuse to compare rows of two extractors.

    Raises:
        UserError: the two differ in D.
    """
    if first.shape[1] != second.shape[1]:
        raise UserError(
            f"features of {first.shape[1]} and of {second.shape[1]} dims cannot be compared; "
            "compute both with one feature network"
        )


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared Euclidean distances (N, M) between rows (N, D) and (M, D), by a matrix product."""
    norms = first.square().sum(1)[:, None] + second.square().sum(1)
    return torch.addmm(norms, first, second.T, alpha=-2).clamp_(min=0)


def either_squared(rows: Tensor, training: Tensor, mirrored: Tensor | None) -> Tensor:
    """Squared distances (N, k) to training images or to their mirror images, whichever is nearer.

    Args:
        rows: (N, D).
        training: (k, D).
        mirrored: (k, D) of the mirror images; None: they do not count.
    """
    squared = squared_distances(rows, training)
    return squared if mirrored is None else squared.minimum(squared_distances(rows, mirrored))


def nearest_distances(rows: Tensor, others: Tensor) -> Tensor:
    """Distance (N,) from each of `rows` to the nearest of `others`."""
    return torch.cat([chunk.amin(1) for _, chunk in _chunks(rows, others)]).sqrt()


class Nearest(NamedTuple):
    """The training images that images are nearest to.

    Attributes:
        distances: (N, 2) to the nearest and to the second-nearest; (N, 1) of a single one.
        training: number (N,) of the nearest.
    """

    distances: Tensor
    training: Tensor

    @property
    def ratios(self) -> Tensor | None:
        """Distance to the nearest over that to the second-nearest, (N,) in [0, 1]; None of one."""
        if self.distances.shape[1] < 2:
            return None
        nearest, second = self.distances.unbind(1)
        return nearest / second.clamp(min=torch.finfo(second.dtype).tiny)

    @classmethod
    def among(cls, squared: Tensor) -> Nearest:
        """Of squared distances (N, k) to all training images."""
        found = squared.topk(min(2, squared.shape[1]), largest=False)
        return cls(found.values.sqrt(), found.indices[:, 0])

    @classmethod
    def joined(cls, parts: Iterable[Nearest]) -> Nearest:
        """Of parts of the images, one after the other."""
        return cls(*map(torch.cat, zip(*parts, strict=True)))


def nearest_of(rows: Rows, training: Rows, what: str, mirrored: Rows | None = None) -> Nearest:
    """The training images (k, D) that each row (N, D) is nearest to.

    Args:
        rows: features of images.
        training: features of the training images.
        what: whose features `rows` are, for messages: "samples".
        mirrored: features (k, D) of their mirror images, which count as themselves.

    Raises:
        UserError: an empty set, differing D, or values that are not finite.
    """
    found, known = as_rows(rows, what), as_rows(training, "training images")
    same_width(found, known)
    if mirrored is not None:
        mirrored = as_rows(mirrored, "mirrored training images")
    chunks = (found[start : start + CHUNK] for start in range(0, len(found), CHUNK))
    return Nearest.joined(Nearest.among(either_squared(c, known, mirrored)) for c in chunks)


def neighbour_radii(rows: Tensor, k: int) -> Tensor:
    """Distance (N,) from each row to its k-th nearest other row; N must exceed k."""
    radii = []
    for start, chunk in _chunks(rows, rows):
        chunk[torch.arange(len(chunk)), torch.arange(start, start + len(chunk))] = torch.inf
        radii.append(chunk.kthvalue(k, dim=1).values)
    return torch.cat(radii).sqrt()


def _chunks(rows: Tensor, others: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(first row, squared distances of up to CHUNK rows), so that memory stays bounded."""
    for start in range(0, len(rows), CHUNK):
        yield start, squared_distances(rows[start : start + CHUNK], others)

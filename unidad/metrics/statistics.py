"""Features of a reference set with the Gaussian that fits them, computed once and kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unidad.data.arrays import read_arrays
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.features import Extractor, Features, cached_features, fingerprint
from unidad.files import atomic_file
from unidad.metrics.frechet import moments
from unidad.metrics.rows import as_rows


@dataclass(frozen=True)
class ReferenceStatistics:
    """What the distances to a reference set need.

    Attributes:
        features: of its images, for the kernel distance and for precision, recall and the like.
        mean: float64 (D,), of the pooled features.
        covariance: float64 (D, D), with N - 1.
    """

    features: Features
    mean: Tensor
    covariance: Tensor


def cached_statistics(
    images: ImageSet, extractor: Extractor, folder: str | Path
) -> ReferenceStatistics:
    """Statistics stored in `folder`, computed and stored there if they are new or damaged.

    The files' names are a digest of every pixel, the images' number and resolution, and the
    extractor's fingerprint, so that another image set, mode or network has files of its own.

    Args:
        images: the reference set, at least two images.
        extractor: the feature network.
        folder: made if missing.

    Raises:
        UserError: fewer than two images, or features that are not finite.
    """
    origin = fingerprint(images, extractor)
    stem = Path(folder) / origin[:20]
    features = cached_features(images, extractor, stem.with_suffix(".features.npz"))
    path = stem.with_suffix(".moments.npz")
    stored = _read_moments(path, features.pooled.shape[1])
    if stored is None:
        stored = moments(as_rows(features.pooled, "the reference", 2))
        with atomic_file(path) as partial, open(partial, "wb") as file:
            np.savez(file, mean=stored[0].numpy(), covariance=stored[1].numpy())
    return ReferenceStatistics(features, *stored)


def _read_moments(path: Path, width: int) -> tuple[Tensor, Tensor] | None:
    try:
        stored = read_arrays(path, "statistics", "features")
    except UserError:
        return None
    found = [stored.get(name, np.zeros(())) for name in ("mean", "covariance")]
    if [array.shape for array in found] != [(width,), (width, width)]:
        return None
    return torch.from_numpy(found[0]), torch.from_numpy(found[1])

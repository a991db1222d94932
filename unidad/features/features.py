"""What a feature extractor gives for an image set, and its cache on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from unidad.data.arrays import read_arrays
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.files import atomic_file

ARRAYS = ("pooled", "attributes", "domain")


@dataclass(frozen=True)
class Features:
    """Features of N images, row for row.

    Attributes:
        pooled: float32 (N, D), what distances are measured in.
        attributes: float32 (N, A), predicted, in [0, 1]; A is 0 where an extractor knows none.
        domain: float32 (N, domains), probabilities; no columns where an extractor knows none.
        origin: fingerprint of the images and the extractor they come from; "" if not known.
    """

    pooled: np.ndarray
    attributes: np.ndarray
    domain: np.ndarray
    origin: str = ""

    def __len__(self) -> int:
        return len(self.pooled)

    def save(self, path: str | Path) -> None:
        """Write a .npz; the final name appears only when the file is complete."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        with atomic_file(path) as partial, open(partial, "wb") as file:
            np.savez(file, origin=np.array(self.origin), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Features:
        """Read a file that `save` wrote.

        Raises:
            UserError: the file is missing, or is no .npz of features.
        """
        stored = read_arrays(path, "features", "features")
        missing = [name for name in (*ARRAYS, "origin") if name not in stored]
        if missing:
            raise UserError(f"{path}: not features written by unidad (it has no {missing[0]})")
        arrays, origin = [stored[name] for name in ARRAYS], str(stored["origin"])
        shapes = [array.shape for array in arrays]
        if any(len(shape) != 2 or shape[0] != shapes[0][0] for shape in shapes):
            raise UserError(f"{path}: features of unequal shapes {shapes}; delete it and run again")
        return cls(*arrays, origin)


class Perceptual(Protocol):
    """A network whose maps LPIPS is measured in."""

    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> torch.Tensor:
        """Rows (N, P) of uint8 (N, H, W, 3), see `perceptual.perceptual_rows`.

        With `unit_range` the network is given the images in [0, 1] instead of [-1, 1].
        """
        ...


class Extractor(Perceptual, Protocol):
    """A fixed network as the metrics see it.

    Attributes:
        name: what tables call its features: "synthetic-faces".
        fingerprint: changes with the weights and settings that `features` depends on.
        domains: names of the columns of `Features.domain`.
    """

    name: str
    fingerprint: str
    domains: tuple[str, ...]

    def features(self, images: np.ndarray) -> Features:
        """Features of uint8 (N, H, W, 3)."""
        ...


def extract(images: ImageSet, extractor: Extractor) -> Features:
    """The extractor's features of an image set, with their origin."""
    found = extractor.features(images.images)
    origin = fingerprint(images, extractor)
    return Features(found.pooled, found.attributes, found.domain, origin)


def cached_features(images: ImageSet, extractor: Extractor, path: str | Path) -> Features:
    """The features stored at `path`, computed and stored anew unless they are of these very images.

    Args:
        images: the image set.
        extractor: the feature network.
        path: .npz file.
    """
    path = Path(path)
    if path.exists():
        try:
            stored = Features.load(path)
        except UserError:
            stored = None
        if stored is not None and stored.origin == fingerprint(images, extractor):
            return stored
    features = extract(images, extractor)
    features.save(path)
    return features


def fingerprint(images: ImageSet, extractor: Extractor) -> str:
    """Hex digest that changes with any pixel, the resolution and the extractor's fingerprint."""
    digest = hashlib.sha256(f"{extractor.fingerprint} {images.images.shape}".encode())
    digest.update(np.ascontiguousarray(images.images))
    return digest.hexdigest()


def weights_digest(settings: str, weights: dict[str, torch.Tensor]) -> str:
    """Hex digest that changes with the settings and with any weight or its name."""
    digest = hashlib.sha256(settings.encode())
    for name, tensor in weights.items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()

"""What networks say about an image set and its prompts, and its cache on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from unidad.data.arrays import read_arrays
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.contract import Extractor
from unidad.files import atomic_file

ORIGIN, PROMPTS, TEXTS = "origin", "prompts", "texts"
POOLED, MIRRORED = "pooled", "mirrored"


@dataclass(frozen=True)
class Features:
    """Features of N images, row for row, and of the prompts they are measured against.

    Attributes:
        rows: name → (N, ...), see `Extractor.features`; ``mirrored``: ``pooled`` of the images'
            mirror images, where it was asked for.
        texts: prompt → unit row (D,).
        origin: fingerprint of images, prompts and networks; "" if not known.
    """

    rows: Mapping[str, np.ndarray]
    texts: Mapping[str, np.ndarray] = field(default_factory=dict)
    origin: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        """The rows of this name.

        Raises:
            UserError: no network gave any.
        """
        if name not in self.rows:
            raise UserError(f"features: no '{name}'; compute them again with `unidad features`")
        return self.rows[name]

    def text(self, prompts: Sequence[str]) -> np.ndarray:
        """Rows (len(prompts), D) of prompts.

        Raises:
            UserError: one of them was not embedded.
        """
        absent = [prompt for prompt in prompts if prompt not in self.texts]
        if absent:
            raise UserError(
                f"features: prompt '{absent[0]}' was not embedded; "
                "name its settings to `unidad features --settings`"
            )
        return np.stack([self.texts[prompt] for prompt in prompts])

    def save(self, path: str | Path) -> None:
        """Write a .npz; the final name appears only when the file is complete."""
        arrays = dict(self.rows)
        if self.texts:
            arrays |= {PROMPTS: np.array(list(self.texts)), TEXTS: np.stack([*self.texts.values()])}
        with atomic_file(path) as partial, open(partial, "wb") as file:
            np.savez(file, **{ORIGIN: np.array(self.origin)}, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Features:
        """Read a file that `save` wrote.

        Raises:
            UserError: the file is missing, or is no .npz of features.
        """
        rows = read_arrays(path, "features", "features")
        if ORIGIN not in rows:
            raise UserError(f"{path}: not features written by unidad (it has no {ORIGIN})")
        origin = str(rows.pop(ORIGIN))
        prompts, texts = rows.pop(PROMPTS, ()), rows.pop(TEXTS, ())
        shapes = [array.shape for array in rows.values()]
        if not shapes or len({shape[:1] for shape in shapes}) > 1 or len(prompts) != len(texts):
            raise UserError(f"{path}: features of unequal lengths {shapes}; delete it, run again")
        return cls(rows, dict(zip(map(str, prompts), texts, strict=True)), origin)


def extract(
    images: ImageSet, extractor: Extractor, prompts: Sequence[str] = (), mirrored: bool = False
) -> Features:
    """The features of an image set and of prompts, with their origin.

    Args:
        images: the image set.
        extractor: the network, or several `Together`.
        prompts: without the rare token; a network that reads none leaves them out.
        mirrored: see the mirror images, too, for `Features.rows`.
    """
    distinct = tuple(dict.fromkeys(prompts))
    rows = extractor.features(images.images)
    if mirrored and POOLED in rows:
        rows[MIRRORED] = extractor.features(images.mirrored().images)[POOLED]
    texts = extractor.texts(distinct) if distinct else None
    known = {} if texts is None else dict(zip(distinct, texts, strict=True))
    return Features(rows, known, fingerprint(images, extractor, distinct, mirrored))


def cached_features(
    images: ImageSet,
    extractor: Extractor,
    path: str | Path,
    prompts: Sequence[str] = (),
    mirrored: bool = False,
) -> Features:
    """The features stored at `path`; computed and stored anew unless they are of these very inputs.

    Args:
        images: the image set.
        extractor: the network.
        path: .npz file.
        prompts: without the rare token; duplicates do not matter.
        mirrored: see `extract`.
    """
    if Path(path).exists():
        try:
            stored = Features.load(path)
        except UserError:
            stored = None
        if stored is not None and stored.origin == fingerprint(
            images, extractor, prompts, mirrored
        ):
            return stored
    features = extract(images, extractor, prompts, mirrored)
    features.save(path)
    return features


def fingerprint(
    images: ImageSet, extractor: Extractor, prompts: Sequence[str] = (), mirrored: bool = False
) -> str:
    """Hex digest that changes with any pixel, the resolution, any prompt and the networks."""
    also = f" {MIRRORED}" if mirrored else ""
    digest = hashlib.sha256(f"{extractor.fingerprint} {images.images.shape}{also}".encode())
    digest.update(np.ascontiguousarray(images.images))
    digest.update("\n".join(dict.fromkeys(prompts)).encode())
    return digest.hexdigest()


def weights_digest(settings: str, weights: dict[str, torch.Tensor]) -> str:
    """Hex digest that changes with the settings and with any weight or its name."""
    digest = hashlib.sha256(settings.encode())
    for name, tensor in weights.items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()

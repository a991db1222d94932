"""What CLIP and an instance encoder say about an image set, and its cache on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from unidad.data.arrays import read_arrays
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.features import Perceptual, fingerprint
from unidad.files import atomic_file

if TYPE_CHECKING:
    from unidad.features.clip import Clip

ARRAYS = ("clip", "instance", "clip_text")
WORD_PREFIX = "word:"


class Encoder(Perceptual, Protocol):
    """What tells one instance from another of its class.

    Attributes:
        fingerprint: changes with the weights and settings that `embed` and `words` depend on.
    """

    fingerprint: str

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Unit rows float32 (N, D) of uint8 (N, H, W, 3)."""
        ...

    def words(self, images: np.ndarray) -> dict[str, list[str]]:
        """Part of a scene → what each of the N images shows; empty if it knows no words."""
        ...


@dataclass(frozen=True)
class SubjectFeatures:
    """Features of N images, row for row, and of the prompts they are measured against.

    Attributes:
        clip: float32 (N, D), unit rows.
        instance: float32 (N, E), unit rows.
        prompts: P different ones, without the rare token.
        clip_text: float32 (P, D), unit rows.
        words: part of a scene → N predicted words; empty where the encoder knows none.
        origin: fingerprint of images, prompts and networks.
    """

    clip: np.ndarray
    instance: np.ndarray
    prompts: tuple[str, ...]
    clip_text: np.ndarray
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    origin: str = ""

    def __len__(self) -> int:
        return len(self.clip)

    def text(self, prompts: Sequence[str]) -> np.ndarray:
        """Rows (len(prompts), D) of prompts.

        Raises:
            UserError: one of them was not embedded.
        """
        places = {prompt: place for place, prompt in enumerate(self.prompts)}
        absent = [prompt for prompt in prompts if prompt not in places]
        if absent:
            raise UserError(
                f"features: prompt '{absent[0]}' was not embedded; "
                "name its settings to `unidad subject-features --settings`"
            )
        return self.clip_text[[places[prompt] for prompt in prompts]]

    def save(self, path: str | Path) -> None:
        """Write a .npz; the final name appears only when the file is complete."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        words = {WORD_PREFIX + part: np.array(words, str) for part, words in self.words.items()}
        prompts = np.array(self.prompts, str)
        with atomic_file(path) as partial, open(partial, "wb") as file:
            np.savez(file, origin=np.array(self.origin), prompts=prompts, **arrays, **words)

    @classmethod
    def load(cls, path: str | Path) -> SubjectFeatures:
        """Read a file that `save` wrote.

        Raises:
            UserError: the file is missing, or is no .npz of such features.
        """
        stored = read_arrays(path, "features", "subject-features")
        missing = [name for name in (*ARRAYS, "prompts", "origin") if name not in stored]
        if missing:
            raise UserError(
                f"{path}: not features of a subject written by unidad (it has no {missing[0]})"
            )
        words = {
            name.removeprefix(WORD_PREFIX): tuple(values.tolist())
            for name, values in stored.items()
            if name.startswith(WORD_PREFIX)
        }
        clip, instance, clip_text = (stored[name] for name in ARRAYS)
        lengths = {len(clip), len(instance), *map(len, words.values())}
        if len(lengths) > 1 or len(clip_text) != len(stored["prompts"]):
            raise UserError(f"{path}: features of unequal lengths; delete it and run again")
        prompts = tuple(stored["prompts"].tolist())
        return cls(clip, instance, prompts, clip_text, words, str(stored["origin"]))


@dataclass(frozen=True)
class SubjectNetworks:
    """The two networks that images of a subject are measured with."""

    clip: Clip
    encoder: Encoder

    @property
    def fingerprint(self) -> str:
        """Changes with either."""
        return f"{self.clip.fingerprint} {self.encoder.fingerprint}"

    def features(self, images: ImageSet, prompts: Sequence[str]) -> SubjectFeatures:
        """Features of an image set and of prompts without the rare token."""
        distinct = tuple(dict.fromkeys(prompts))
        clip = self.clip.images(images.images)
        return SubjectFeatures(
            clip,
            self.encoder.embed(images.images),
            distinct,
            self.clip.texts(distinct) if distinct else clip[:0],
            {part: tuple(words) for part, words in self.encoder.words(images.images).items()},
            self._origin(images, distinct),
        )

    def cached_features(
        self, images: ImageSet, prompts: Sequence[str], path: str | Path
    ) -> SubjectFeatures:
        """The features stored at `path`; computed and stored anew where they are of others.

        Args:
            images: the image set.
            prompts: without the rare token; duplicates do not matter.
            path: .npz file.
        """
        if Path(path).exists():
            try:
                stored = SubjectFeatures.load(path)
            except UserError:
                stored = None
            if stored is not None and stored.origin == self._origin(images, prompts):
                return stored
        features = self.features(images, prompts)
        features.save(path)
        return features

    def _origin(self, images: ImageSet, prompts: Sequence[str]) -> str:
        """Fingerprint of images, networks and prompts."""
        digest = hashlib.sha256(fingerprint(images, self).encode())
        digest.update("\n".join(dict.fromkeys(prompts)).encode())
        return digest.hexdigest()

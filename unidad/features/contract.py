"""What every network that looks at images owes the metrics, and several of them as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from torch import Tensor

from unidad.errors import UserError


class Extractor:
    """A fixed network as the metrics see it. What it cannot do, it inherits from here.

    Attributes:
        name: what tables call its features: "synthetic-faces".
        fingerprint: changes with the weights and settings that `features` depends on.
        domains: names of the columns of the feature ``domain``; empty where it tells none apart.
    """

    name: str = ""
    fingerprint: str
    domains: tuple[str, ...] = ()

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Name → N rows, one for each of the uint8 images (N, H, W, 3), N at least 1.

        ``pooled`` (N, D): what distances are measured in. ``attributes`` (N, A), in [0, 1], and
        ``domain`` (N, domains), probabilities. ``clip`` and ``instance`` (N, D): unit rows.
        ``word:<part>`` (N,): what a network reads of this part of a scene.

        Raises:
            UserError: there is no image.
        """
        return {}

    def texts(self, prompts: Sequence[str]) -> np.ndarray | None:
        """Unit rows (P, D) of prompts, to be compared with ``clip``; None if it reads none."""
        return None

    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """Rows (N, P) of uint8 (N, H, W, 3), see `perceptual_rows`.

        With `unit_range` the network is given the images in [0, 1] instead of [-1, 1].

        Raises:
            UserError: LPIPS is not measured in this network.
        """
        raise UserError(f"{self.name}: LPIPS cannot be measured in this network")

    def tokens(self, x: Tensor) -> Tensor:
        """Features (N, L, D), of L places, of images (N, 3, H, W) in [-1, 1]; differentiable.

        Raises:
            UserError: the network gives none.
        """
        raise UserError(f"{self.name}: this network gives no tokens of an image's places")


def in_batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Images (N, H, W, 3), so many at once.

    Raises:
        UserError: there is no image.
    """
    if len(images) == 0:
        raise UserError("no images to compute features of; the image set is empty")
    for start in range(0, len(images), size):
        yield images[start : start + size]


class Together(Extractor):
    """Several networks as one: everyone's features, the first one's texts, the last one's maps."""

    def __init__(self, networks: Sequence[Extractor]) -> None:
        self.networks = networks

    @cached_property
    def name(self) -> str:
        """All names."""
        return ", ".join(network.name for network in self.networks)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any of them."""
        return " ".join(network.fingerprint for network in self.networks)

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`."""
        return {
            k: rows for network in self.networks for k, rows in network.features(images).items()
        }

    def texts(self, prompts: Sequence[str]) -> np.ndarray | None:
        """As in `Extractor`."""
        found = (network.texts(prompts) for network in self.networks)
        return next((rows for rows in found if rows is not None), None)

    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """As in `Extractor`."""
        return self.networks[-1].perceptual(images, unit_range)

"""The networks of the literature: which, and LPIPS beside them, loaded when first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
from torch import Tensor

from unidad.config.evaluation import PublishedFeatures
from unidad.features.contract import Extractor, Together
from unidad.features.inception import load_inception
from unidad.features.lpips_network import LpipsNetwork, load_lpips


class Published(Extractor):
    """A published network, and LPIPS on a published trunk.

    Args:
        name: what tables call its features.
        load: the network.
        trunk: of LPIPS, "vgg" or "alex".
    """

    def __init__(self, name: str, load: Callable[[], Extractor], trunk: str = "vgg") -> None:
        self.name = name
        self._load, self._trunk = load, trunk

    @cached_property
    def network(self) -> Extractor:
        """The network of `features` and `texts`."""
        return self._load()

    @cached_property
    def lpips(self) -> LpipsNetwork:
        """The network of `perceptual`."""
        return load_lpips(self._trunk)

    @property
    def fingerprint(self) -> str:
        """Of the network behind `features`."""
        return self.network.fingerprint

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`."""
        return self.network.features(images)

    def texts(self, prompts: Sequence[str]) -> np.ndarray | None:
        """As in `Extractor`."""
        return self.network.texts(prompts)

    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """As in `Extractor`."""
        return self.lpips.perceptual(images, unit_range)


def published_inception(which: PublishedFeatures) -> Published:
    """FID's Inception and LPIPS; tables call them "inception-clean, lpips-vgg"."""
    name = f"inception-{which.mode}, lpips-{which.trunk}"
    return Published(name, partial(_measuring, which), which.trunk)


def _measuring(which: PublishedFeatures) -> Extractor:
    inception = load_inception(which.mode)
    if not which.dinov2:
        return inception
    from unidad.features.dinov2 import load_dinov2  # transformers is slow to import, rarely wanted

    return Together([inception, load_dinov2()])

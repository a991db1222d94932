"""The networks of the literature as one extractor: Inception for distances, LPIPS for diversity."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from torch import Tensor

from unidad.config.evaluation import PublishedFeatures
from unidad.features.features import Features
from unidad.features.inception import Inception, load_inception
from unidad.features.lpips_network import LpipsNetwork, load_lpips


class PublishedExtractor:
    """An `Extractor` whose networks are loaded, and downloaded, when first needed."""

    domains: tuple[str, ...] = ()

    def __init__(self, config: PublishedFeatures) -> None:
        self.config = config

    @property
    def name(self) -> str:
        """What tables call its features: "inception-clean, lpips-vgg"."""
        return f"inception-{self.config.mode}, lpips-{self.config.trunk}"

    @property
    def fingerprint(self) -> str:
        """Of the network behind `features`: mode and weights of Inception."""
        return self.inception.fingerprint

    @cached_property
    def inception(self) -> Inception:
        """The network of `features`."""
        return load_inception(self.config.mode)

    @cached_property
    def lpips(self) -> LpipsNetwork:
        """The network of `perceptual`."""
        return load_lpips(self.config.trunk)

    def features(self, images: np.ndarray) -> Features:
        """See `Inception.features`."""
        return self.inception.features(images)

    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """See `LpipsNetwork.rows`."""
        return self.lpips.rows(images, unit_range)

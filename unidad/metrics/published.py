"""The networks of the literature as one extractor: Inception for distances, LPIPS for diversity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from unidad.errors import UserError
from unidad.files import read_json, write_json
from unidad.metrics.feature_network import load_feature_network
from unidad.metrics.features import Extractor, Features
from unidad.metrics.inception import MODES, Inception, load_inception
from unidad.metrics.lpips_network import TRUNKS, LpipsNetwork, load_lpips
from unidad.metrics.trunk import CONFIG

KEY = "published"


@dataclass(frozen=True)
class PublishedConfig:
    """Which published networks.

    Attributes:
        mode: how images are resized for Inception: "legacy_pytorch" (pytorch-fid, the paper's) or
            "clean".
        trunk: LPIPS' network: "vgg" (the paper's) or "alex".
    """

    mode: str = "legacy_pytorch"
    trunk: str = "vgg"

    def __post_init__(self) -> None:
        for key, known in {"mode": MODES, "trunk": TRUNKS}.items():
            value = getattr(self, key)
            if value not in known:
                raise UserError(f"{KEY}.{key}: {value!r} is not one of {', '.join(known)}")

    def save(self, folder: str | Path) -> None:
        """Write a ``config.json`` that `load_extractor` reads; the folder holds no weights."""
        write_json(Path(folder) / CONFIG, {KEY: asdict(self)})


class PublishedExtractor:
    """An `Extractor` whose networks are loaded, and downloaded, when first needed."""

    domains: tuple[str, ...] = ()

    def __init__(self, config: PublishedConfig) -> None:
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


def load_extractor(folder: str | Path) -> Extractor:
    """The extractor that a folder describes: a trained feature network, or published networks.

    Raises:
        UserError: see `load_feature_network`; an unknown key or value of a `PublishedConfig`.
    """
    path = Path(folder) / CONFIG
    if not path.is_file() or KEY not in (values := read_json(path, "")):
        return load_feature_network(folder)
    try:
        return PublishedExtractor(PublishedConfig(**values[KEY]))
    except TypeError as error:
        raise UserError(f"{path}: {KEY}: {error}") from None

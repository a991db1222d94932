"""The frozen networks that a method sees images with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from unidad.errors import UserError
from unidad.features.contract import Extractor
from unidad.features.extractors import load_extractor
from unidad.features.pretrained import HUB_WEIGHTS
from unidad.features.scene_network import SceneNetwork
from unidad.shipped import SHIPPED_ALIGNMENT_CLIP, SHIPPED_SCENE_NETWORK

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = {"clip": SHIPPED_ALIGNMENT_CLIP, "encoder": SHIPPED_SCENE_NETWORK}
"""What ``shipped`` stands for; this CLIP is not the one that fidelity is measured with."""


def load_frozen_features(name: str, origin: str) -> Extractor:
    """Load a network with `tokens`, onto the CPU.

    Raises:
        UserError: nothing is shipped of this name; see `load_extractor`.
    """
    return load_extractor(_folder(name, origin)).cpu()


def perceptual_of(features: Iterable[Extractor]) -> Callable[[Tensor], Tensor]:
    """LPIPS (images → perceptual rows) on a scene network if there is one, else the published."""
    for network in features:
        if isinstance(network, SceneNetwork):
            return network.perceptual_rows
    from unidad.features.lpips_network import load_lpips  # slow to import, rarely wanted

    return load_lpips("vgg").perceptual_rows


def frozen_weights(features: dict[str, str]) -> list[Path]:
    """The files of the frozen networks' weights."""
    files = [_folder(*item) / weights for item in features.items() for weights in HUB_WEIGHTS]
    return [file for file in files if file.is_file()]


def _folder(name: str, origin: str) -> Path:
    if origin != "shipped":
        return Path(origin)
    if name not in SHIPPED:
        raise UserError(
            f"features.{name}: only {' and '.join(SHIPPED)} are shipped; give the folder of a "
            "CLIP, of a vision transformer, or of a scene network instead"
        )
    return SHIPPED[name]

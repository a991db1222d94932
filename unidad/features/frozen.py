"""Frozen networks that a method sees images with: their tokens, differentiable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from unidad.errors import UserError
from unidad.features.clip import load_clip
from unidad.features.pretrained import HUB_WEIGHTS
from unidad.features.scene_network import SceneNetwork, load_scene_network
from unidad.features.trunk import resized
from unidad.files import read_json
from unidad.metrics.perceptual import perceptual_rows
from unidad.shipped import SHIPPED_ALIGNMENT_CLIP, SHIPPED_SCENE_NETWORK

if TYPE_CHECKING:
    from unidad.features.vision import VisionTransformer

LAYOUT = "give the folder of a CLIP, of a vision transformer, or of a scene network"
SHIPPED = {"clip": SHIPPED_ALIGNMENT_CLIP, "encoder": SHIPPED_SCENE_NETWORK}
"""What ``shipped`` stands for; this CLIP is not the one that fidelity is measured with."""


class FrozenFeatures(Protocol):
    """A frozen network."""

    def tokens(self, x: Tensor) -> Tensor:
        """Features (N, L, D), of L places, of images (N, 3, H, W) in [-1, 1]; differentiable."""


class SceneTokens(nn.Module):
    """The last map of a scene network, one token for each of its places."""

    def __init__(self, network: SceneNetwork):
        super().__init__()
        self.network = network

    def tokens(self, x: Tensor) -> Tensor:
        """As in `FrozenFeatures`."""
        return self._maps(x)[-1].flatten(2).mT

    def perceptual_rows(self, x: Tensor) -> Tensor:
        """Rows (N, P) whose squared distance is the LPIPS of two images; differentiable."""
        return perceptual_rows(self._maps(x))

    def _maps(self, x: Tensor) -> list[Tensor]:
        return self.network.maps(resized(x, self.network.config.resolution))


class TransformerTokens(nn.Module):
    """The last hidden states of a vision transformer, such as DINO or DINOv2.

    Images are resized to what the transformer sees; nothing is cropped.
    """

    def __init__(self, transformer: VisionTransformer):
        super().__init__()
        processor = transformer.processor
        size = processor.crop_size or processor.size
        self.model = transformer.model
        self.side = size.height or size.shortest_edge
        for name in ("mean", "std"):
            values = torch.tensor(getattr(processor, f"image_{name}")).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def tokens(self, x: Tensor) -> Tensor:
        """As in `FrozenFeatures`."""
        unit = (resized(x, self.side) + 1) / 2
        return self.model((unit - self.mean) / self.std).last_hidden_state


def load_frozen_features(name: str, origin: str) -> nn.Module:
    """Load a `FrozenFeatures`, onto the CPU; the ``config.json`` of its folder tells the kind.

    Raises:
        UserError: nothing is shipped of this name, a file is missing or unreadable, or the weights
            are of another architecture.
    """
    folder = _folder(name, origin)
    kind = read_json(folder / "config.json", LAYOUT).get("model_type")
    if kind is None:
        return SceneTokens(load_scene_network(folder)).cpu()
    if kind == "clip":
        return load_clip(folder).cpu()
    # Here, not above: the libraries behind it are slow to import, and no other method needs them.
    from unidad.features.vision import load_vision_transformer

    return TransformerTokens(load_vision_transformer(folder)).cpu()


def frozen_weights(features: dict[str, str]) -> list[Path]:
    """The files of the frozen networks' weights."""
    files = [_folder(*item) / weights for item in features.items() for weights in HUB_WEIGHTS]
    return [file for file in files if file.is_file()]


def _folder(name: str, origin: str) -> Path:
    if origin != "shipped":
        return Path(origin)
    if name not in SHIPPED:
        raise UserError(
            f"features.{name}: only {' and '.join(SHIPPED)} are shipped; {LAYOUT} instead"
        )
    return SHIPPED[name]

"""Frozen networks that a method sees images with: their tokens, differentiable."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from unidad.errors import UserError
from unidad.files import read_json
from unidad.metrics.clip import load_clip
from unidad.metrics.perceptual import perceptual_rows
from unidad.metrics.scene_network import SceneNetwork, load_scene_network
from unidad.metrics.trunk import resized

LAYOUT = "features: folders of a CLIP, of a vision transformer, or of a scene network"
PREPROCESSING = "preprocessor_config.json"


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

    Args:
        model: becomes untrainable.
        size: side in pixels that images are resized to.
        mean: of the three channels in [0, 1].
        std: likewise.
    """

    def __init__(self, model: PreTrainedModel, size: int, mean: list[float], std: list[float]):
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def tokens(self, x: Tensor) -> Tensor:
        """As in `FrozenFeatures`."""
        unit = (resized(x, self.size).clamp(-1, 1) + 1) / 2
        return self.model((unit - self.mean) / self.std).last_hidden_state


def load_frozen_features(folder: str | Path) -> nn.Module:
    """Load a `FrozenFeatures` from a folder, onto the CPU; its ``config.json`` tells the kind.

    Raises:
        UserError: a file is missing or unreadable, or the weights are of another architecture.
    """
    folder = Path(folder)
    kind = read_json(folder / "config.json", LAYOUT).get("model_type")
    if kind is None:
        return SceneTokens(load_scene_network(folder)).cpu()
    return load_clip(folder).cpu() if kind == "clip" else _load_transformer(folder)


def _load_transformer(folder: Path) -> TransformerTokens:
    settings = read_json(folder / PREPROCESSING, LAYOUT)
    try:
        with warnings.catch_warnings(action="ignore"):
            model, report = AutoModel.from_pretrained(
                folder, local_files_only=True, output_loading_info=True
            )
        size = settings.get("crop_size", settings["size"])
        if isinstance(size, dict):
            size = size["height"] if "height" in size else size["shortest_edge"]
        features = TransformerTokens(model, size, settings["image_mean"], settings["image_std"])
    except Exception as error:  # the library lets every kind through
        message = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{folder}: not a readable vision transformer ({message})") from None
    unfit = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if unfit:
        raise UserError(f"{folder}: weights of another architecture: no '{unfit[0]}' in the file")
    return features

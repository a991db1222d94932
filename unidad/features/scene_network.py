"""The small network that recognises subjects and reads scenes: the eye of personalisation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unidad.features.trunk import Trunk, load_trunk

PARTS = ("category", "context", "property", "accessory")
"""What is read off a scene: the fields of `Description`."""


@dataclass(frozen=True)
class SceneConfig:
    """Architecture and vocabulary of a scene network, as in its ``config.json``.

    Attributes:
        name: what tables call its features.
        category: words of this part of a scene, and likewise:
        context: with an empty word for a place that no word describes,
        property: with an empty word for none,
        accessory: likewise.
        resolution: that images are resized to, in pixels; divisible by 8.
        channels: of the four stages, at resolution, /2, /4 and /8.
        embedding: dims of the instance embedding.
    """

    name: str
    category: tuple[str, ...]
    context: tuple[str, ...]
    property: tuple[str, ...]
    accessory: tuple[str, ...]
    resolution: int = 32
    channels: tuple[int, ...] = (24, 48, 96, 160)
    embedding: int = 128


class SceneNetwork(Trunk):
    """A trunk with an instance embedding and one linear classifier for each part of a scene.

    The embedding stands for DINO's: pictures of one instance lie together, whatever its context
    and pose, apart from look-alikes of its class. The stages' maps stand for LPIPS' trunk.
    """

    def __init__(self, config: SceneConfig) -> None:
        super().__init__(config)
        self.instance = nn.Linear(self.width, config.embedding)
        self.heads = nn.ModuleDict(
            {part: nn.Linear(self.width, len(getattr(config, part))) for part in PARTS}
        )

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Unit rows (N, embedding), and part → logits (N, words), of images as for `maps`."""
        last = self.maps(x)[-1].flatten(1)
        logits = {part: head(last) for part, head in self.heads.items()}
        return F.normalize(self.instance(last), dim=1), logits

    @torch.inference_mode()
    def embed(self, images: np.ndarray) -> np.ndarray:
        """Instance embeddings of uint8 (N, H, W, 3): float32 (N, embedding), rows of unit length.

        Raises:
            UserError: there is no image.
        """
        return torch.cat([self(x)[0] for x in self.batches(images)]).cpu().numpy()

    @torch.inference_mode()
    def words(self, images: np.ndarray) -> dict[str, list[str]]:
        """What uint8 images (N, H, W, 3) show: each of PARTS → N words, empty for none.

        Raises:
            UserError: there is no image.
        """
        logits = [self(x)[1] for x in self.batches(images)]
        return {
            part: [
                getattr(self.config, part)[number]
                for number in torch.cat([found[part] for found in logits]).argmax(1).tolist()
            ]
            for part in PARTS
        }

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`: the instance, and what each part of the scene is."""
        words = {f"word:{part}": np.array(seen) for part, seen in self.words(images).items()}
        return {"instance": self.embed(images), **words}


def load_scene_network(folder: str | Path) -> SceneNetwork:
    """Load what `SceneNetwork.save` wrote; float32, in evaluation mode, on the GPU if any.

    Raises:
        UserError: a file is missing or unreadable, or the weights are of another architecture.
    """
    return load_trunk(folder, SceneNetwork, SceneConfig, "train-scene-features")

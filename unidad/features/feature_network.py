"""The small network whose features the metrics of synthetic faces are measured in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from unidad.features.trunk import Trunk, load_trunk


@dataclass(frozen=True)
class FeatureConfig:
    """Architecture and vocabulary of a feature network, as in its ``config.json``.

    Attributes:
        name: what tables call its features.
        domains: classes of the domain head.
        attributes: names of the attribute head's outputs.
        resolution: that images are resized to, in pixels; divisible by 8.
        channels: of the four stages, at resolution, /2, /4 and /8.
        pooled: dims of the pooled features.
    """

    name: str
    domains: tuple[str, ...]
    attributes: tuple[str, ...]
    resolution: int = 32
    channels: tuple[int, ...] = (24, 64, 128, 192)
    pooled: int = 128


class FeatureNetwork(Trunk):
    """A trunk with pooled features and linear heads on them.

    It stands for Inception (pooled features) and for LPIPS' trunk.
    """

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__(config)
        self.pool = nn.Linear(self.width, config.pooled)
        self.domain_head = nn.Linear(config.pooled, len(config.domains))
        self.attribute_head = nn.Linear(config.pooled, len(config.attributes))
        self.quality_head = nn.Linear(config.pooled, 2)

    @property
    def domains(self) -> tuple[str, ...]:
        """As in `Extractor`."""
        return self.config.domains

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features (N, pooled) of images (N, 3, H, W) in [-1, 1]."""
        return self.pool(self.maps(x)[-1].flatten(1))

    @torch.inference_mode()
    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`: pooled, attributes and domain, of images of any resolution."""
        batches = []
        for x in self.batches(images):
            pooled = self(x)
            attributes = self.attribute_head(pooled).clamp(0, 1)
            batches.append((pooled, attributes, self.domain_head(pooled).softmax(1)))
        rows = (torch.cat(parts).cpu().numpy() for parts in zip(*batches, strict=True))
        return dict(zip(("pooled", "attributes", "domain"), rows, strict=True))


def load_feature_network(folder: str | Path) -> FeatureNetwork:
    """Load what `FeatureNetwork.save` wrote; float32, in evaluation mode, on the GPU if any.

    Raises:
        UserError: a file is missing or unreadable, or the weights are of another architecture.
    """
    return load_trunk(folder, FeatureNetwork, FeatureConfig, "train-features")

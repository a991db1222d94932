"""DINOv2 as FD-DINOv2 sees images with it (Stein et al. 2023)."""

from __future__ import annotations

import numpy as np
import torch
from cleanfid.resize import make_resizer
from torch import Tensor

from unidad.features.contract import Extractor, in_batches
from unidad.features.features import weights_digest
from unidad.features.pretrained import published_folder
from unidad.features.vision import BATCH, VisionTransformer, load_vision_transformer

DINOV2 = "facebook/dinov2-large"
SIZE = 224
PREPARED = f"whole images, {SIZE} pixels, bicubic with antialiasing"


class Dinov2Distance(Extractor):
    """The class token, not brought to unit length, of whole images at 224×224.

    Args:
        network: a DINOv2; its folder's own resizing and cropping are left out.
    """

    name = "dinov2"

    def __init__(self, network: VisionTransformer) -> None:
        self.network = network
        self.fingerprint = weights_digest(PREPARED, network.model.state_dict())
        self._resize = make_resizer("PIL", False, "bicubic", (SIZE, SIZE))

    @torch.inference_mode()
    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`: ``dinov2`` (N, D)."""
        rows = []
        for batch in in_batches(images, BATCH):
            x = self.inputs(batch).to(self.network.mean.device)
            rows.append(self.network.model(x).last_hidden_state[:, 0].cpu().numpy())
        return {"dinov2": np.concatenate(rows)}

    def inputs(self, images: np.ndarray) -> Tensor:
        """What the network sees of uint8 (N, H, W, 3): float32 (N, 3, 224, 224)."""
        resized = np.stack([self._resize(image) for image in images]).clip(0, 255)
        x = torch.from_numpy(resized).permute(0, 3, 1, 2) / 255
        return (x - self.network.mean.cpu()) / self.network.std.cpu()


def load_dinov2() -> Dinov2Distance:
    """DINOv2 ViT-L/14 with its published weights.

    Raises:
        UserError: see `published_folder` and `load_vision_transformer`.
    """
    return Dinov2Distance(load_vision_transformer(published_folder(DINOV2)))

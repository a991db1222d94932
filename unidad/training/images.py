"""Training images in a network's space, drawn at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unidad.data.image_set import to_tensor
from unidad.diffusion.draws import integers, uniform
from unidad.networks.codec import CHUNK, Codec, LatentCodec


class TrainingImages:
    """Images encoded once, drawn as they are or mirrored.

    The mirror image of an autoencoder's latents is not the latents of the mirror image: those are
    encoded beforehand as well. Pixels are mirrored as they are drawn, which saves a second copy.

    Args:
        images: uint8 (N, H, W, 3).
        codec: of the network.
        device: where they are kept.
        mirror: draw half of them mirrored.
    """

    def __init__(self, images: np.ndarray, codec: Codec, device: torch.device, mirror: bool):
        self.codec, self.device, self.mirror = codec, device, mirror
        self.x0 = self._encode(images)
        latent = mirror and isinstance(codec, LatentCodec)
        self.mirrored = self._encode(images[:, :, ::-1]) if latent else None

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images drawn with replacement, (count, C, h, w), and which they are, (count,)."""
        chosen = integers(0, len(self.x0), count, generator).to(self.device)
        x0 = self.x0[chosen]
        if not self.mirror:
            return x0, chosen
        flip = (uniform(count, generator) < 0.5).to(self.device)
        if self.mirrored is None:
            mirrored = self.codec.encode(self.codec.decode(x0).flip(-1))
        else:
            mirrored = self.mirrored[chosen]
        return torch.where(flip.reshape(-1, 1, 1, 1), mirrored, x0), chosen

    @torch.no_grad()
    def _encode(self, images: np.ndarray) -> Tensor:
        chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
        encoded = [self.codec.encode(to_tensor(chunk).to(self.device)).cpu() for chunk in chunks]
        return torch.cat(encoded).to(self.device)

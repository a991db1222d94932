"""Codecs: images ⇄ the space that a network works in."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class PixelUnshuffle:
    """Trade resolution for channels: (N, C, H, W) ⇄ (N, C f², H / f, W / f); f = 1 is identity.

    A permutation of pixels: white noise stays white noise and distances stay the same.
    """

    factor: int = 1

    def encode(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] → the network's space."""
        return F.pixel_unshuffle(images, self.factor) if self.factor > 1 else images

    def decode(self, x0: Tensor) -> Tensor:
        """The network's space → images (N, 3, H, W)."""
        return F.pixel_shuffle(x0, self.factor) if self.factor > 1 else x0

    @classmethod
    def for_channels(cls, channels: int) -> PixelUnshuffle:
        """The codec of an unconditional RGB network with this many input channels.

        Raises:
            ValueError: channels is not 3 times a square.
        """
        factor = round((channels / 3) ** 0.5)
        if 3 * factor**2 != channels:
            raise ValueError(f"{channels} input channels are not RGB unshuffled by a whole factor")
        return cls(factor)

"""Codecs: images ⇄ the space that a network works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

Posterior = Literal["mean", "sample"]
CHUNK = 8
"""Images encoded or decoded at once: an autoencoder's activations at 512x512 fill gigabytes."""


class Codec(Protocol):
    """What a network needs of a codec."""

    @property
    def factor(self) -> int:
        """Pixels of an image for each position of the network's space, along a side."""

    def encode(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] → the network's space."""

    def decode(self, x0: Tensor) -> Tensor:
        """The network's space → images (N, 3, H, W)."""


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


class LatentCodec:
    """The scaled latents of a frozen ``AutoencoderKL`` (Rombach et al. 2022).

    (N, 3, H, W) ⇄ (N, C, H / f, W / f): ``(z - shift) * scaling`` with the autoencoder's own
    ``scaling_factor`` and ``shift_factor`` (none in Stable Diffusion 1 and 2). Not a module: it is
    no part of a network's weights, and copies of a network share it. Gradients flow through both
    ways; the autoencoder follows its input from device to device.

    Args:
        vae: the autoencoder; becomes untrainable.
        posterior: what stands for an image: the posterior's ``mean``, or a ``sample`` of it.
    """

    def __init__(self, vae: AutoencoderKL, posterior: Posterior = "mean"):
        self.vae = vae.eval().requires_grad_(False)
        self.posterior = posterior

    def __deepcopy__(self, memo: dict) -> LatentCodec:
        return self

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return self.vae.config.latent_channels

    @property
    def factor(self) -> int:
        """Pixels of an image for each latent, along a side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] → scaled latents (N, C, H / f, W / f).

        Args:
            images: H and W are multiples of ``factor``.
            generator: of the posterior's sample, if it is sampled.
        """
        posterior = self.vae.to(images.device).encode(images).latent_dist
        z = posterior.mode() if self.posterior == "mean" else posterior.sample(generator)
        return (z - self._shift) * self.vae.config.scaling_factor

    def decode(self, x0: Tensor) -> Tensor:
        """Scaled latents (N, C, h, w) → images (N, 3, f h, f w), in [-1, 1] but for overshoot."""
        z = x0 / self.vae.config.scaling_factor + self._shift
        return self.vae.to(x0.device).decode(z).sample

    @property
    def _shift(self) -> float:
        return self.vae.config.shift_factor or 0.0

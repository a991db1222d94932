"""Discriminator heads: on the fake score's encoder features, and on those of frozen networks."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unidad import losses
from unidad.errors import UserError

Heads = Literal["multi", "residual", "single", "none"]


class MultiHead(nn.Module):
    """One head for each feature map of the encoder (SPEC section 3).

    A head is a 1x1 convolution to one channel, then the spatial mean. The two commute, so the mean
    is taken first: the same logit for a fraction of the work.
    """

    def __init__(self, channels: dict[str, int]):
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(count, 1) for name, count in channels.items()})

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Features name → (N, c, h, w); returns logits (N, heads)."""
        means = {name: features[name].float().mean((2, 3)) for name in self.heads}
        return torch.cat([head(means[name]) for name, head in self.heads.items()], dim=1)


class SingleHead(nn.Module):
    """A small convolutional head on the middle block alone: the ablation's discriminator."""

    def __init__(self, channels: dict[str, int], groups: int = 16):
        super().__init__()
        count = channels["middle"]
        self.layers = nn.Sequential(
            nn.Conv2d(count, count, 3, padding=1),
            nn.GroupNorm(groups, count),
            nn.SiLU(),
            nn.Conv2d(count, 1, 1),
        )

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Features name → (N, c, h, w); returns logits (N, 1)."""
        return self.layers(features["middle"].float()).mean((2, 3))


class StridedHead(nn.Module):
    """The released code's single head: two strided convolutions and a 1x1 one, down to one logit.

    The middle block's map must be 8x8, as it is at 256x256.
    """

    SIDE = 8

    def __init__(self, channels: dict[str, int], groups: int = 16):
        super().__init__()
        count = channels["middle"]
        self.layers = nn.Sequential(
            nn.Conv2d(count, count, 4, stride=2, padding=1),
            nn.GroupNorm(groups, count),
            nn.SiLU(),
            nn.Conv2d(count, count, 4, stride=4),
            nn.GroupNorm(groups, count),
            nn.SiLU(),
            nn.Conv2d(count, 1, 1),
        )

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Features name → (N, c, 8, 8); returns logits (N, 1).

        Raises:
            UserError: a middle block of another size.
        """
        middle = features["middle"].float()
        if middle.shape[-2:] != (self.SIDE, self.SIDE):
            height, width = middle.shape[-2:]
            raise UserError(
                "distillation.gan_single_head: strided wants a middle block of 8x8, this network's "
                f"is {height}x{width}; choose plain"
            )
        return self.layers(middle).flatten(1)


class FeatureHeads(nn.Module):
    """One head of two classes, fake and real, for each frozen network (SPEC section 6).

    A head is a perceptron with 512 hidden units on features normalised within each image, since
    networks differ in scale. Its two logits are given as their difference, see
    `unidad.losses.two_class_logit`.

    Args:
        widths: name of a network → dims of its features.
    """

    def __init__(self, widths: dict[str, int], hidden: int = 512):
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, 2))
                for name, width in widths.items()
            }
        )

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Features name → (N, D); returns logits (N, heads), positive for real."""
        rows = {name: F.layer_norm(x, x.shape[-1:]) for name, x in features.items()}
        logits = torch.stack([head(rows[name]) for name, head in self.heads.items()], dim=1)
        return losses.two_class_logit(logits)


@torch.no_grad()
def accuracy(on_real: Tensor, on_fake: Tensor) -> float:
    """Share of logits with the right sign: positive on real images, negative on others."""
    return float(torch.cat([on_real > 0, on_fake < 0]).float().mean())


def build_discriminator(
    heads: Heads, channels: dict[str, int], single: Literal["plain", "strided"] = "plain"
) -> nn.Module | None:
    """The discriminator that an option names; ``none`` trains without a GAN.

    Args:
        heads: ``multi`` takes the maps of whole blocks, ``residual`` those within them, too.
        channels: see `Backbone.feature_channels`.
        single: which head stands alone: `SingleHead` or `StridedHead`.
    """
    if heads == "none":
        return None
    if heads == "single":
        return (SingleHead if single == "plain" else StridedHead)(channels)
    within = heads == "residual"
    return MultiHead({name: c for name, c in channels.items() if within or "/" not in name})

"""LPIPS as the Euclidean distance of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

EPSILON = 1e-10
"""Added to the norm over channels, as the lpips package does."""


def perceptual_rows(maps: Iterable[Tensor], weights: Sequence[Tensor] | None = None) -> Tensor:
    """Flatten a network's maps so that the squared distance of two rows is their LPIPS.

    LPIPS (Zhang et al. 2018, eq. 1) sums over layers, and averages over places, the weighted
    squared difference of maps of unit length over channels. Each such map, times
    ``sqrt(weight / (H W))``, is a part of the row.

    Args:
        maps: one (N, C, H, W) for each layer.
        weights: one non-negative (C,) for each layer; all 1 by default, the lpips package's
            ``lpips=False``.

    Returns:
        (N, P), P the sum of C H W over layers.
    """
    parts = []
    for layer, values in enumerate(maps):
        height, width = values.shape[2:]
        unit = values / (values.square().sum(1, keepdim=True).sqrt() + EPSILON)
        if weights is not None:
            unit = unit * weights[layer].view(1, -1, 1, 1).sqrt()
        parts.append(unit.flatten(1) / (height * width) ** 0.5)
    return torch.cat(parts, 1)

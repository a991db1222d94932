"""DDPM-PA's losses (Zhu et al. 2022, arXiv 2211.03264), as pure functions of tensors.

What a batch's images are to each other is to stay as the source network sees it: each image has a
distribution of its likeness to the others, and the adapted network's is held to the source's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def relative_distance(adapted: Tensor, source: Tensor) -> Tensor:
    """``mean_i KL(p_i || q_i)``, p and q of the adapted and of the source network.

    ``p_i = softmax_{j != i}(cos(x_i, x_j))`` over the other images of the batch.

    Args:
        adapted: (N, C, H, W), N at least 2: images that a network predicts, or a part of them.
        source: of the source network at the same noised images; no gradient flows into it.
    """
    own, kept = _log_likeness(adapted), _log_likeness(source.detach())
    return (own.exp() * (own - kept)).sum(1).mean()


def high_frequencies(images: Tensor) -> Tensor:
    """``LH + HL + HH`` of one level of the orthonormal Haar transform: (N, C, H, W) → half sides.

    With a, b above c, d of each 2x2 pixels these are half of ``a + b - c - d``, ``a - b + c - d``
    and ``a - b - c + d``; their sum is ``(3 a - b - c - d) / 2``.
    """
    a, b, c, d = F.pixel_unshuffle(images, 2).unflatten(1, (-1, 4)).unbind(2)
    return (3 * a - b - c - d) / 2


def detail(adapted: Tensor, images: Tensor) -> Tensor:
    """``mean((hf(adapted) - hf(images))^2)`` of the high frequencies hf, both (N, C, H, W)."""
    return F.mse_loss(high_frequencies(adapted), high_frequencies(images))


def _log_likeness(images: Tensor) -> Tensor:
    """Log-softmax over the others of the cosines (N, N - 1) of the images (N, ...)."""
    rows = F.normalize(images.flatten(1), dim=1)
    cosines, count = rows @ rows.mT, len(rows)
    others = ~torch.eye(count, dtype=torch.bool, device=rows.device)
    return cosines[others].view(count, count - 1).log_softmax(1)

"""Cosine similarity of images to a subject's photos, and to their prompts."""

from __future__ import annotations

import torch
from torch import Tensor

from unidad.metrics.rows import Rows, as_rows, same_width


def similarity_to(photos: Rows, images: Rows, clamp: bool = False) -> float:
    """Mean cosine over all pairs of an image and a photo (CLIP-I, DINO; Ruiz et al. 2023).

    Args:
        photos: unit rows (k, D).
        images: unit rows (N, D).
        clamp: count a negative cosine as 0.

    Raises:
        UserError: an empty set, differing D, or values that are not finite.
    """
    first, second = as_rows(images, "images"), as_rows(photos, "photos")
    same_width(first, second)
    return _clamped(first @ second.T, clamp).mean().item()


def similarity_among(photos: Rows, clamp: bool = False) -> float:
    """Mean cosine over all pairs of two different photos: what new photos can hope for.

    Raises:
        TooFewRowsError: fewer than two photos.
        UserError: values that are not finite.
    """
    rows = as_rows(photos, "photos", at_least=2)
    different = ~torch.eye(len(rows), dtype=torch.bool)
    return _clamped(rows @ rows.T, clamp)[different].mean().item()


def similarity_to_prompts(images: Rows, prompts: Rows, clamp: bool = False) -> float:
    """Mean cosine of each image and its own prompt (CLIP-T).

    Args:
        images: unit rows (N, D).
        prompts: unit rows (N, D), the embedding of each image's prompt.
        clamp: count a negative cosine as 0.

    Raises:
        UserError: an empty set, differing D, or values that are not finite.
    """
    first, second = as_rows(images, "images"), as_rows(prompts, "prompts")
    same_width(first, second)
    return _clamped((first * second).sum(1), clamp).mean().item()


def _clamped(cosines: Tensor, clamp: bool) -> Tensor:
    return cosines.clamp(min=0) if clamp else cosines

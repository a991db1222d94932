"""Cosine similarity of images to a subject's photos, and to their prompts."""

from __future__ import annotations

import torch
from torch import Tensor

from unidad.metrics.rows import Rows, as_rows, same_width


def similarity_to_photos(images: Rows, photos: Rows, same: bool, clamp: bool) -> float:
    """Mean cosine over all pairs of an image and a photo (CLIP-I, DINO; Ruiz et al. 2023).

    Args:
        images: unit rows (N, D).
        photos: unit rows (k, D).
        same: the images are the photos: none is compared with itself, and the result is what new
            photos can hope for.
        clamp: count a negative cosine as 0.

    Raises:
        TooFewRowsError: an empty set, or a single photo to compare with itself.
        UserError: differing D, or values that are not finite.
    """
    first, second = as_rows(images, "images"), as_rows(photos, "photos", 2 if same else 1)
    same_width(first, second)
    cosines = _clamped(first @ second.T, clamp)
    return (cosines[~torch.eye(len(first), dtype=torch.bool)] if same else cosines).mean().item()


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

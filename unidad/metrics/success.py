"""Whether images show what their prompts ask for, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Words = Mapping[str, Sequence[str]]
"""Part of a scene → N words, empty for none."""


def prompt_success(seen: Words, asked: Words) -> float:
    """Share of images in which every part that the prompt asks for is right.

    Args:
        seen: what a network sees in each image, of every part in `asked`.
        asked: what each image's prompt asks for.
    """
    return float(np.all([_right(seen, asked, part) for part in asked], axis=0).mean())


def part_success(seen: Words, asked: Words, part: str) -> float | None:
    """The same of one part, among the images whose prompt asks for it; None where none does."""
    wanted = np.asarray(asked[part], str) != ""
    return float(_right(seen, asked, part)[wanted].mean()) if wanted.any() else None


def _right(seen: Words, asked: Words, part: str) -> np.ndarray:
    wanted = np.asarray(asked[part], str)
    return (np.asarray(seen[part], str) == wanted) | (wanted == "")

"""Which of many images a page shows."""

from __future__ import annotations

import numpy as np

from unidad.data.image_set import ImageSet

SHOWN = 24
NEIGHBOURS = 3


def shown_samples(images: ImageSet) -> list[int]:
    """Numbers of the first images or, of images drawn for prompts, of the first of each.

    Sets that were drawn alike show the same numbers, so that a column is of one noise.

    Returns:
        At most SHOWN numbers, rising; of more prompts than that, prompts evenly apart.
    """
    prompts = list(dict.fromkeys(images.captions))
    if not prompts:
        return list(range(min(SHOWN, len(images))))
    each = max(1, SHOWN // len(prompts))
    asked = np.linspace(0, len(prompts) - 1, min(SHOWN, len(prompts))).round().astype(int)
    captions = np.array(images.captions)
    numbers = [np.flatnonzero(captions == prompts[place])[:each] for place in asked]
    return sorted(int(number) for found in numbers for number in found)

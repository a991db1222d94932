"""Whether images show what their prompts ask for, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unidad.synthetic.scenes import scene_of

PARTS = ("category", "context", "property", "accessory")


def prompt_success(
    predicted: Mapping[str, Sequence[str]], prompts: Sequence[str]
) -> dict[str, float | None]:
    """Shares of images that show what their prompt asks for.

    Args:
        predicted: each of PARTS → what a network sees in each image, N words.
        prompts: of the N images, in the grammar of the synthetic scenes.

    Returns:
        ``prompt_success``, the share of images in which every part that the prompt asks for is
        right, and ``<part>_success`` among the images whose prompt asks for that part, None where
        none does.

    Raises:
        UserError: a prompt is outside the grammar.
    """
    scenes = [scene_of(prompt) for prompt in prompts]
    everything = np.ones(len(prompts), bool)
    shares: dict[str, float | None] = {}
    for part in PARTS:
        wanted = np.array([getattr(scene, part) for scene in scenes], str)
        asked, right = wanted != "", np.asarray(predicted[part], str) == wanted
        everything &= right | ~asked
        shares[f"{part}_success"] = float(right[asked].mean()) if asked.any() else None
    return {"prompt_success": float(everything.mean()), **shares}

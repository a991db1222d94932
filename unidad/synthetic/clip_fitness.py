"""Is a CLIP fit for use? Right captions of held-out renderings against wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unidad.errors import UserError
from unidad.features.clip import Clip
from unidad.synthetic.pages import Row
from unidad.synthetic.scenes import (
    ACCESSORIES,
    CATEGORIES,
    CONTEXTS,
    LIVE,
    PROPERTIES,
    Description,
    render,
    source_scenes,
)

PARTS = {
    "category": CATEGORIES,
    "context": CONTEXTS,
    "property": PROPERTIES,
    "accessory": ACCESSORIES,
}
ANY, OTHERS = "any", 100
"""The row of captions that differ anyhow: those of so many other scenes."""
SEED, LEAST_SCENES = 77, 50
"""Of the renderings: a series of its own, which no training uses."""


def rivals(description: Description, part: str) -> list[Description]:
    """Descriptions that differ in one part alone, where any other word of its kind stands.

    Args:
        description: of a scene; what wears something becomes another animal, never an object.
        part: one of PARTS.
    """
    words = LIVE if part == "category" and description.accessory else PARTS[part]
    said = getattr(description, part)
    return [replace(description, **{part: word}) for word in words if word != said]


def clip_fitness(clip: Clip, scenes: int = 1000) -> list[Row]:
    """How well a CLIP tells right captions from wrong ones.

    A caption is wrong in one part (every other class, context, property or accessory in its place;
    of scenes that have the part), or it is that of another scene.

    Args:
        clip: the network to examine.
        scenes: how many held-out renderings, at least 50.

    Returns:
        A row for each of PARTS and for ANY: ``wrong_in``; ``images``; mean CLIP-T of the right
        captions, ``right``, and of the wrong ones, ``wrong``; ``beaten``, the share of wrong
        captions below the right one; ``first``, the share of images whose right caption is above
        all wrong ones.

    Raises:
        UserError: too few scenes.
    """
    if scenes < LEAST_SCENES:
        raise UserError(f"CLIP's fitness: {scenes} scenes are too few; take {LEAST_SCENES} or more")
    drawn = source_scenes(SEED, range(scenes))
    images, captions = clip.images(render(drawn)), np.array(drawn.captions())
    rows = []
    for part in PARTS:
        having = np.flatnonzero(drawn.words(part) != "")
        wrong = [
            [rival.caption() for rival in rivals(drawn.descriptions[index], part)]
            for index in having
        ]
        rows.append(_compared(part, clip, images[having], captions[having], wrong))
    others = (np.arange(scenes)[:, None] + np.arange(1, OTHERS + 1)) % scenes
    wrong = [[c for c in captions[others[i]] if c != captions[i]] for i in range(scenes)]
    return [*rows, _compared(ANY, clip, images, captions, wrong)]


def markdown(rows: Sequence[Row]) -> list[str]:
    """Lines of a table of `clip_fitness`."""
    lines = [
        "| wrong in | images | right | wrong | wrong ones beaten | right one first |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        numbers = (f"{row[key]:.3f}" for key in ("right", "wrong", "beaten", "first"))
        lines.append(f"| {row['wrong_in']} | {row['images']} | {' | '.join(numbers)} |")
    return lines


def _compared(
    part: str,
    clip: Clip,
    images: np.ndarray,
    captions: Sequence[str],
    wrong: Sequence[Sequence[str]],
) -> Row:
    """A row of `clip_fitness`: images (N, D), their captions, and the wrong ones of each."""
    counts = [len(group) for group in wrong]
    owner = np.repeat(np.arange(len(images)), counts)
    right = (clip.texts(captions) * images).sum(1)
    others = (clip.texts([c for group in wrong for c in group]) * images[owner]).sum(1)
    best = np.maximum.reduceat(others, np.cumsum([0, *counts[:-1]]))
    return {
        "wrong_in": part,
        "images": len(images),
        "right": float(right.mean()),
        "wrong": float(others.mean()),
        "beaten": float((others < right[owner]).mean()),
        "first": float((best < right).mean()),
    }

"""A figure beside a table: images of its rows, all targets side by side, one noise a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unidad.config.tables import TableView
from unidad.data.image_set import ImageSet
from unidad.report.grids import WHITE, comparison_grid


class Drawn(NamedTuple):
    """Where an image set is from."""

    target: str
    shots: int
    variant: str


def write_overview(
    view: TableView,
    samples: Mapping[Drawn, Path],
    training_sets: Mapping[tuple[str, int | None], Path],
    prompts: Mapping[str, Sequence[str]],
    out: Path,
) -> None:
    """Write a PNG: a row for each of the table's, `view.images` columns for each target.

    Args:
        view: whose rows; those that only the papers have are left out. Of several numbers of shots
            the largest is shown.
        samples: image sets, each of one seed at its variant's own NFE.
        training_sets: (target, shots) → image set.
        prompts: of each target, where images were drawn for prompts, equally many for each and
            prompt after prompt: the first image of each is shown.
        out: written atomically.
    """
    shots = max(view.shots or (s for _, s in training_sets if s))
    targets = view.targets or [t for t, s in training_sets if s == shots]
    training = {
        target: ImageSet.load(training_sets[target, shots]).images[: view.images]
        for target in targets
    }
    rows = {
        name: {
            target: _first(samples[key], prompts.get(target, ()), view.images)
            for target in targets
            if (key := Drawn(target, shots, row.variant)) in samples
        }
        for name, row in view.shown.items()
    }
    beside = [
        (name, _beside(found, training, view.images)) for name, found in rows.items() if found
    ]
    strip = _beside(training, training, view.images)
    headers = ["" if place else target for target in targets for place in range(view.images + 1)]
    comparison_grid(strip, beside, len(strip), out, headers=headers[:-1])


def _first(path: Path, prompts: Sequence[str], count: int) -> np.ndarray:
    """The first images; of images drawn for prompts, the first one of each."""
    images = ImageSet.load(path).images
    return images[:: len(images) // len(prompts) if prompts else 1][:count]


def _beside(
    found: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], count: int
) -> np.ndarray:
    """The targets' images with a white tile between two of them; white where there are none."""
    size = next(iter(targets.values())).shape[1:]
    strip = np.full((len(targets) * (count + 1) - 1, *size), WHITE, np.uint8)
    for place, target in enumerate(targets):
        images = found.get(target, ())
        if len(images):
            strip[place * (count + 1) :][: len(images)] = images
    return strip

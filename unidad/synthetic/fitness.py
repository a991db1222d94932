"""Is a feature network fit for use? Fréchet distance and grain under damage of known strength."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from unidad.errors import UserError
from unidad.features.contract import Extractor
from unidad.metrics.frechet import frechet_distance
from unidad.metrics.grain import grain
from unidad.style import CONTROL_COLOR, PALETTE, RC
from unidad.synthetic.faces import render
from unidad.synthetic.pages import Row, write_csv, write_page

NAME = "feature_fitness"
DOMAIN, SOURCE = "babies", "faces"
SEED = 77
"""Of the renderings: a series of its own, which neither training nor benchmark uses."""
UNDAMAGED = "none"
STRENGTHS = {
    "blur": (0.4, 0.5, 0.7, 1.0, 2.0),
    "noise": (0.02, 0.05, 0.1, 0.2, 0.4),
    "source images": (0.05, 0.1, 0.25, 0.5, 1.0),
    "duplicates": (2, 10, 50, 200, 1000),
}
UNITS = {
    "blur": "standard deviation, pixels",
    "noise": "standard deviation, share of full range",
    "source images": f"share replaced by {SOURCE}",
    "duplicates": "copies of each image",
}
COLUMNS = ("damage", "strength", "unit", "frechet_distance", "grain")


def fitness(
    extractor: Extractor, images: int = 5000, resolution: int = 32, progress: bool = True
) -> list[Row]:
    """Fréchet distance and grain of a real set, whole and damaged, against a disjoint real set.

    Both are renderings of DOMAIN. The damage: Gaussian blur, Gaussian noise, source images in
    place of the first ones, and the first images repeated in place of the others.

    Args:
        extractor: the network to examine.
        images: size of either set; at least 1000, the strongest duplication.
        resolution: of the renderings, in pixels.
        progress: show a progress bar.

    Returns:
        One row of COLUMNS for the undamaged set, then one for each damage and strength.

    Raises:
        UserError: too few images.
    """
    if images < STRENGTHS["duplicates"][-1]:
        raise UserError(f"fitness: {images} images are too few; take at least 1000")
    real = render(DOMAIN, SEED, range(images), resolution).images
    other = render(DOMAIN, SEED, range(images, 2 * images), resolution).images
    source = render(SOURCE, SEED, range(images), resolution).images
    reference, clean = extractor.features(other)["pooled"], grain(other)
    damages = [(UNDAMAGED, 0.0), *((d, s) for d, strengths in STRENGTHS.items() for s in strengths)]
    rows = []
    for damage, strength in tqdm(damages, desc="fitness", unit="set", disable=not progress):
        damaged = damaged_set(real, source, damage, strength)
        measured = (
            frechet_distance(extractor.features(damaged)["pooled"], reference),
            grain(damaged) / clean,
        )
        cells = (damage, strength, UNITS.get(damage, ""), *(float(f"{m:.4g}") for m in measured))
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def damaged_set(images: np.ndarray, source: np.ndarray, damage: str, strength: float) -> np.ndarray:
    """`images`, uint8 (N, H, W, 3), after one kind of damage; see STRENGTHS and UNITS."""
    if damage == "blur":
        return (
            gaussian_filter(images.astype(np.float32), (0, strength, strength, 0))
            .round()
            .astype(np.uint8)
        )
    if damage == "noise":
        noise = np.random.default_rng(SEED).normal(0, 255 * strength, images.shape)
        return (images + noise).round().clip(0, 255).astype(np.uint8)
    if damage == "source images":
        count = round(strength * len(images))
        return np.concatenate([source[:count], images[count:]])
    if damage == "duplicates":
        return np.resize(images[: len(images) // int(strength)], images.shape)
    return images


def write_fitness(
    extractor: Extractor,
    folder: str | Path,
    images: int = 5000,
    resolution: int = 32,
    progress: bool = True,
) -> list[Row]:
    """Write `fitness` to ``feature_fitness.csv``, ``.md`` and ``figures/feature_fitness.png``.

    Arguments other than `folder`, result and errors are those of `fitness`.
    """
    rows = fitness(extractor, images, resolution, progress)
    folder = Path(folder)
    write_csv(folder / f"{NAME}.csv", COLUMNS, rows)
    write_page(folder, NAME, markdown(rows), plot(rows, extractor.name))
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """A line for each damage: strength → distance, and grain, from weakest to strongest."""
    lines = ["| damage | strength: Fréchet distance | grain |", "|---|---|---|"]
    for damage in dict.fromkeys(row["damage"] for row in rows):
        part = [row for row in rows if row["damage"] == damage]
        if damage == UNDAMAGED:
            name, steps = "none (two disjoint real sets)", [f"{part[0]['frechet_distance']:.3g}"]
        else:
            name = f"{damage} ({part[0]['unit']})"
            steps = [f"{row['strength']:g}: **{row['frechet_distance']:.3g}**" for row in part]
        grains = ", ".join(f"{row['grain']:.2f}" for row in part)
        lines.append(f"| {name} | {', '.join(steps)} | {grains} |")
    return "\n".join([*lines, ""])


@mpl.rc_context(RC)
def plot(rows: Sequence[Row], features: str) -> Figure:
    """Distance against strength, both logarithmic, a panel for each damage.

    Args:
        rows: of `fitness`.
        features: name of the features, for the axis.
    """
    figure = Figure(figsize=(3.1 * len(STRENGTHS), 3.4), layout="constrained")
    panels = figure.subplots(1, len(STRENGTHS), sharey=True)
    floor = next(row["frechet_distance"] for row in rows if row["damage"] == UNDAMAGED)
    for axes, damage, colour in zip(panels, STRENGTHS, PALETTE, strict=False):
        distances = [row["frechet_distance"] for row in rows if row["damage"] == damage]
        axes.loglog(STRENGTHS[damage], distances, marker="o", color=colour)
        axes.axhline(floor, color=CONTROL_COLOR, linestyle=(0, (6, 3)), lw=1.4)
        axes.set(title=damage, xlabel=UNITS[damage])
        axes.set_xticks(STRENGTHS[damage], [f"{strength:g}" for strength in STRENGTHS[damage]])
        axes.xaxis.set_minor_locator(NullLocator())
    panels[0].set_ylabel(f"Fréchet distance ({features} features)")
    where = panels[0].get_yaxis_transform()
    panels[0].text(0.03, floor * 1.15, "two disjoint real sets", size=8.5, transform=where)
    return figure

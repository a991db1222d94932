"""The curves of runs that were broken on purpose, each beside one that was not.

    python -m benchmarks.loss_curves results/broken docs/figures

reads the training logs of `configs/broken.yaml`, trained with the plugin `benchmarks/held_out.py`,
and writes `losses_<variant>.png`, one for every variant but the first.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from unidad.config.names import slug
from unidad.files import atomic_file
from unidad.style import CONTROL_COLOR, PALETTE, RC

PANELS = {
    "distribution matching": ["dmd_source", "dmd_target"],
    "denoising": ["fake_score_denoising"],
    "GAN": ["gan_student", "gan_discriminator"],
    "logits that say real": ["real_training", "real_held_out", "real_student"],
}
"""Title → columns of the log that share an axis."""
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
SMOOTHING = 5
"""Lines of the log in a running mean."""
GRID, CELLS, ENLARGED = 4, 8, 3
"""A grid's images a side, how many of them are shown, and how much larger a grid is drawn."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a figure for every variant that differs from the first."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.loss_curves",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="of an experiment: results/broken")
    parser.add_argument("out", type=Path, help="folder for the figures")
    options = parser.parse_args(arguments)
    first, *others = json.loads((options.folder / "specs/config.json").read_text())["variants"]
    options.out.mkdir(parents=True, exist_ok=True)
    for label in others:
        path = options.out / f"losses_{slug(label).replace('-', '_')}.png"
        save(figure({name: run_folder(options.folder, name) for name in (first, label)}), path)
        print(path)


def run_folder(experiment: Path, label: str) -> Path:
    """Of a variant's only run."""
    (log,) = experiment.glob(f"runs/*/*/{slug(label)}/*/training.csv")
    return log.parent


@mpl.rc_context(RC)
def figure(runs: dict[str, Path]) -> Figure:
    """Losses above, the images that the runs ended with below.

    Args:
        runs: label → folder, of the run that went well and of one that did not.
    """
    made = Figure(figsize=(10, 4.2), layout="constrained")
    above, below = made.subfigures(2, 1, height_ratios=(3, 1))
    panels = above.subplots(1, len(PANELS))
    for (label, folder), color in zip(runs.items(), (CONTROL_COLOR, PALETTE[5]), strict=True):
        log = pd.read_csv(folder / "training.csv")
        updates = _updates(folder, log)
        for axes, columns in zip(panels, PANELS.values(), strict=True):
            for column, dashes in zip(columns, DASHES, strict=False):
                curve = log[column].dropna().rolling(SMOOTHING, min_periods=1).mean()
                axes.plot(updates[curve.index], curve, color=color, linestyle=dashes, label=label)
    for axes, (title, columns) in zip(panels, PANELS.items(), strict=True):
        axes.set(title=title, xlabel="student updates")
        _name_the_dashes(axes, columns)
    panels[-1].set_ylim(-0.02, 1.02)
    _show_images(below, runs)
    return made


def save(made: Figure, path: Path) -> None:
    """Write a PNG of 100 dots an inch and 96 colours: enough for curves, and small."""
    whole = io.BytesIO()
    with mpl.rc_context(RC):
        made.savefig(whole, format="png", dpi=100)
    with atomic_file(path) as partial:
        Image.open(whole).convert("RGB").quantize(96).save(partial, "PNG", optimize=True)


def _updates(folder: Path, log: pd.DataFrame) -> pd.Series:
    about = json.loads((folder / "training.json").read_text())
    return log["iteration"] * about["updates"]["student"] / about["iterations"]


def _name_the_dashes(axes: mpl.axes.Axes, columns: Sequence[str]) -> None:
    handles = [
        mpl.lines.Line2D([], [], color="black", linestyle=dashes, linewidth=1.2, label=column)
        for column, dashes in zip(columns, DASHES, strict=False)
    ]
    axes.legend(handles=handles, fontsize=7, loc="best", frameon=True, framealpha=0.7)


def _show_images(part: mpl.figure.SubFigure, runs: dict[str, Path]) -> None:
    columns = part.subplots(1, len(runs))
    for axes, (label, folder), color in zip(
        columns, runs.items(), (CONTROL_COLOR, PALETTE[5]), strict=True
    ):
        axes.imshow(_strip(max((folder / "samples").glob("*.png"))))
        axes.set_axis_off()
        axes.set_title(label, color=color, loc="left", fontsize=10)


def _strip(path: Path) -> np.ndarray:
    """The first images of a grid, side by side."""
    grid = np.asarray(Image.open(path))[::ENLARGED, ::ENLARGED]
    side = grid.shape[0] // GRID
    cells = grid.reshape(GRID, side, GRID, side, 3).transpose(0, 2, 1, 3, 4)
    return np.concatenate(list(cells.reshape(-1, side, side, 3)[:CELLS]), axis=1)


if __name__ == "__main__":
    main()

"""A whole report from the files of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unidad.config.tables import TableView
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.report import plots
from unidad.report.comparison import (
    comparison,
    is_control,
    load_metrics,
    variant_order,
    with_mean_of_targets,
)
from unidad.report.grids import comparison_grid
from unidad.report.logs import read_log
from unidad.report.outputs import (
    COST_PLOT,
    grid_file,
    nearest_file,
    overview_file,
    plot_file,
    training_curves_file,
)
from unidad.report.overview import Drawn, write_overview
from unidad.report.tables import write_tables
from unidad.report.view_files import write_views
from unidad.style import Style, block_title, variant_styles
from unidad.tasks.task import Task

GRID_COLUMNS = 10


@dataclass(frozen=True)
class RunFile:
    """A file that one run left: its training log, or its samples.

    Attributes:
        target: domain it was adapted to.
        shots: training images; None for a whole set, as the source has.
        variant: label of the configuration.
        path: training.csv, or an image set.
        nfe: of the samples; None for a log and for real images.
        metrics: of the samples.
    """

    target: str
    shots: int | None
    variant: str
    path: Path
    nfe: int | None = None
    metrics: Path | None = None


def write_report(
    metrics_files: Sequence[str | Path],
    training_logs: Sequence[RunFile],
    samples: Sequence[RunFile],
    training_sets: Mapping[tuple[str, int | None], str | Path],
    out_dir: str | Path,
    task: type[Task],
    order: Sequence[str],
    prompts: Mapping[str, Sequence[str]] | None = None,
    views: Mapping[str, TableView] | None = None,
) -> None:
    """Write tables, plots and grids; `outputs.report_files` names the files.

    Args:
        metrics_files: JSON, one a (run, NFE).
        training_logs: every trained run's training.csv, all seeds.
        samples: image sets to show, one a row of a grid: one seed, at the trained NFE. Drawn
            ones are shown beside the training images they are nearest to, too.
        training_sets: (target, shots) → image set; one grid and one figure of curves for each.
            Of a whole set (shots None) the first ten images are shown.
        out_dir: `results/<experiment>`.
        task: whose plots and columns.
        order: variants as the configuration lists them; fixes rows and colours.
        prompts: of each target, where the images were drawn for prompts, equally many for each and
            prompt after prompt; a grid then shows the first image of some.
        views: tables of the configuration, by name.

    Raises:
        UserError: an input is missing or not what it should be.
    """
    out_dir = Path(out_dir)
    measured = load_metrics(metrics_files)
    metrics = with_mean_of_targets(measured, task.mean_of_targets)
    if not metrics:
        raise UserError("no metrics files to report on; run `unidad evaluate` first")
    styles = styles_of(metrics, order)
    write_tables(metrics, out_dir / "tables", task, order)
    write_views(views or {}, measured, out_dir / "tables", task, *_axes(training_sets))
    drawn = {Drawn(f.target, f.shots, f.variant): f.path for f in samples}
    for name, view in (views or {}).items():
        if view.images:
            out = out_dir / overview_file(name)
            write_overview(view, drawn, training_sets, prompts or {}, out)
    _write_plots(metrics, task, styles, out_dir, order)
    for block, training_set in training_sets.items():
        _write_curves(block, training_logs, styles, out_dir)
        asked = (prompts or {}).get(block[0], ())
        shown = [file for file in samples if (file.target, file.shots) == block]
        shown.sort(key=lambda file: list(styles).index(file.variant))
        sets = {file: ImageSet.load(file.path).images for file in shown}
        training = ImageSet.load(training_set).images
        _write_grid(out_dir / grid_file(*block), training[: block[1] or GRID_COLUMNS], sets, asked)
        copies = {file: images for file, images in sets.items() if file.nfe and file.metrics}
        _write_nearest(out_dir / nearest_file(*block), training, copies)


def _axes(blocks: Iterable[tuple[str, int | None]]) -> tuple[list[str], list[int]]:
    """Targets and shots of an experiment's blocks, in order."""
    return [*dict.fromkeys(t for t, _ in blocks)], [*dict.fromkeys(s for _, s in blocks if s)]


def styles_of(metrics: Sequence[dict], order: Sequence[str]) -> dict[str, Style]:
    """The look of every variant, in the order of the configuration, and of every drawn control."""
    controls = {m["run"]["variant"] for m in metrics if is_control(m["run"])}
    variants = list(dict.fromkeys([*order, *variant_order(metrics, order)]))
    trained = [variant for variant in variants if variant not in controls]
    return variant_styles(trained, [variant for variant in variants if variant in controls])


def _write_plots(
    metrics: Sequence[dict],
    task: type[Task],
    styles: Mapping[str, Style],
    out_dir: Path,
    order: Sequence[str],
) -> None:
    figures = {plot.name: plots.metric_plot(plot, metrics, styles, order) for plot in task.plots}
    figures[COST_PLOT] = plots.cost(comparison(metrics, order), styles)
    for name, figure in figures.items():
        plots.save(figure, out_dir / plot_file(name))


def _write_curves(
    block: tuple[str, int | None],
    training_logs: Sequence[RunFile],
    styles: Mapping[str, Style],
    out_dir: Path,
) -> None:
    variants = list(styles)
    logs = [log for log in training_logs if (log.target, log.shots) == block]
    logs.sort(key=lambda log: variants.index(log.variant))
    read = [(log.variant, read_log(log.path)) for log in logs]
    figure = plots.training_curves(read, styles, block_title(*block))
    plots.save(figure, out_dir / training_curves_file(*block))


def _write_grid(
    out: Path,
    training: np.ndarray,
    samples: Mapping[RunFile, np.ndarray],
    prompts: Sequence[str],
) -> None:
    rows = [(_row_label(file), images) for file, images in samples.items()]
    columns = _spread(len(prompts), GRID_COLUMNS)
    if prompts:
        rows = [(label, images[:: len(images) // len(prompts)][columns]) for label, images in rows]
    headers = [prompts[column] for column in columns]
    comparison_grid(training, rows, len(columns) or GRID_COLUMNS, out, headers=headers)


def _write_nearest(out: Path, training: np.ndarray, samples: Mapping[RunFile, np.ndarray]) -> None:
    """Of each image set the likeliest copies, and below each the training image, with the ratio."""
    rows, notes = [], {}
    for file, images in samples.items():
        nearest = load_metrics([file.metrics])[0]["nearest"]
        rows.append((_row_label(file), images[nearest["samples"]]))
        notes[len(rows)] = [f"{ratio:.2f}" for ratio in nearest.get("ratios", ())]
        rows.append(("nearest training image", training[nearest["training"]]))
    comparison_grid(training[:GRID_COLUMNS], rows, GRID_COLUMNS, out, notes=notes)


def _spread(count: int, most: int) -> list[int]:
    """At most so many of 0 ... count - 1, evenly apart."""
    shown = min(count, most)
    return [place * count // shown for place in range(shown)]


def _row_label(file: RunFile) -> str:
    """Two lines at most: the NFE behind the name, what stands in brackets below it."""
    name, bracket, rest = file.variant.partition(" (")
    nfe = "" if file.nfe is None else f", NFE {file.nfe}"
    return f"{name}{nfe}\n({rest}" if bracket else name + nfe

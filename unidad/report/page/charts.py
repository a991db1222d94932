"""What the page's plots show, as numbers: the script of the page draws them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from unidad.metrics.registry import METRICS
from unidad.plan import Plan
from unidad.report.comparison import aggregate, comparison, trajectories
from unidad.report.logs import logged_names, read_log, smooth
from unidad.style import feature_label
from unidad.tasks.plots import NFE, ON_THE_WAY, Plot

POINTS = 120
"""At most so many of a training curve."""
NFE_LABEL = "network evaluations an image (NFE)"


def charts(plan: Plan, metrics: Sequence[dict]) -> list[dict]:
    """The task's plots, but those of which nothing was measured.

    Args:
        plan: of the experiment.
        metrics: contents of metrics files.

    Returns:
        Of each plot ``title``, ``x`` and ``y`` (``label``, ``log``), and ``series``: ``block``
        (its number), ``variant``, ``kind`` (line, to its last model; marks; or level, of real
        images, which have no x), ``points`` of x, y, and their deviations over seeds or None.
    """
    features = feature_label(metrics[0]["extractor"])
    drawn = [_chart(plan, plot, metrics, features) for plot in plan.task.plots]
    return [chart for chart in drawn if chart["series"]]


def curves(plan: Plan) -> list[dict]:
    """What each run logged, smoothed as in the report's figures.

    Returns:
        ``block`` (its number), ``variant``, ``seed``, and ``losses``: name → pairs of an iteration
        and a value.

    Raises:
        UserError: a log is missing or is something else.
    """
    blocks = plan.table_targets()
    found = []
    for run in plan.runs():
        if (run.target, run.shots) not in blocks:
            continue
        log = read_log(Path(f"{plan.root}/runs/{run.key}/training.csv"))
        found.append(
            {
                "block": blocks.index((run.target, run.shots)),
                "variant": run.label,
                "seed": run.seed,
                "losses": {name: _curve(log, name) for name in logged_names(log)},
            }
        )
    return found


def _curve(log: pd.DataFrame, name: str) -> list[list[float]]:
    known = log[log[name].notna()]
    values = smooth(known[name])
    step = math.ceil(len(known) / POINTS)
    places = sorted({*range(0, len(known), step), len(known) - 1})
    at = known["iteration"].iloc[places]
    return [[int(x), float(f"{y:.4g}")] for x, y in zip(at, values.iloc[places], strict=True)]


def _chart(plan: Plan, plot: Plot, metrics: Sequence[dict], features: str) -> dict:
    order = list(plan.config.variants)
    label = METRICS[plot.y].column.label(features)
    if plot.x == NFE:
        x, series = NFE_LABEL, _against_nfe(aggregate(metrics, order), plot)
    elif plot.on_the_way or plot.x in ON_THE_WAY:
        known = METRICS.get(plot.x)
        x = known.column.label(features) if known else ON_THE_WAY[plot.x]
        series = _on_the_way(trajectories(metrics, plot.y, order, plot.x))
    else:
        x = METRICS[plot.x].column.label(features)
        series = _against_metric(comparison(metrics, order), plot)
    blocks = plan.table_targets()
    return {
        "title": f"{_short(label)} against {'NFE' if plot.x == NFE else _short(x)}",
        "x": {"label": x, "log": plot.x == NFE},
        "y": {"label": label, "log": plot.logarithmic},
        "series": [
            {"block": blocks.index(block), **one} for block, one in series if block in blocks
        ],
    }


def _short(label: str) -> str:
    return label.split(" (")[0].split(",")[0]


def _against_nfe(rows: pd.DataFrame, plot: Plot) -> Iterator[tuple[tuple, dict]]:
    chosen = rows[(rows["metric"] == plot.y) & rows["mean"].notna()]
    for block, variant, part in _variants(chosen):
        level = part["nfe"].isna().any()
        points = [
            _point(None if level else row.nfe, row.mean, None, row.std)
            for row in part.sort_values("nfe")[["nfe", "mean", "std"]].itertuples(name="Row")
        ]
        yield block, {"variant": variant, "kind": "level" if level else "line", "points": points}


def _against_metric(rows: pd.DataFrame, plot: Plot) -> Iterator[tuple[tuple, dict]]:
    keys = ["target", "shots", "variant", "nfe"]
    of_x, of_y = (
        rows[rows["metric"] == metric][[*keys, "mean", "std"]].dropna(subset="mean")
        for metric in (plot.x, plot.y)
    )
    both = of_x.merge(of_y, on=keys, suffixes=("_x", "_y"))
    for block, variant, part in _variants(both):
        yield block, {"variant": variant, "kind": "marks", "points": _points(part)}


def _on_the_way(points: pd.DataFrame) -> Iterator[tuple[tuple, dict]]:
    for block, variant, part in _variants(points):
        updates = [int(value) for value in part["updates"]]
        named = {"variant": variant, "kind": "line", "points": _points(part)}
        yield block, named | {"updates": updates}


def _points(part: pd.DataFrame) -> list[list]:
    columns = part[["mean_x", "mean_y", "std_x", "std_y"]]
    return [_point(*values) for values in columns.itertuples(index=False)]


def _variants(rows: pd.DataFrame) -> Iterator[tuple[tuple, str, pd.DataFrame]]:
    """Of each block and variant its rows; a whole training set has shots None."""
    for (target, shots, variant), part in rows.groupby(
        ["target", "shots", "variant"], sort=False, dropna=False
    ):
        yield (target, None if pd.isna(shots) else int(shots)), variant, part


def _point(*values: float | None) -> list[float | None]:
    """Five digits of each are enough for a plot; missing ones are None."""
    return [None if value is None or pd.isna(value) else float(f"{value:.5g}") for value in values]

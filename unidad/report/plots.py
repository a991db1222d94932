"""Figures of a report; each function returns a matplotlib figure, `save` writes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from unidad.files import atomic_file
from unidad.metrics.registry import METRICS
from unidad.report.comparison import aggregate, comparison, trajectories
from unidad.report.logs import logged_names, smooth
from unidad.style import CONTROL_COLOR, RC, Style, block_title, feature_label
from unidad.tasks.plots import NFE, ON_THE_WAY, Plot

LOG_RANGE = 20
"""A curve that spans more than this factor is drawn on a logarithmic axis."""
LONGEST_LABEL = 50
"""Characters of a vertical axis' label."""
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
WHISKERS: dict = {"capsize": 2.5, "elinewidth": 1.2}
COSTS = ["training_seconds", "training_seconds_total", "images_per_second"]


def save(figure: Figure, path: str | Path) -> None:
    """Write a PNG at 150 dots an inch; the final name appears when the file is complete."""
    with atomic_file(path) as partial, mpl.rc_context(RC):
        figure.savefig(partial, format="png")


def metric_plot(
    plot: Plot, metrics: Sequence[dict], styles: Mapping[str, Style], order: Sequence[str] = ()
) -> Figure:
    """A task's figure, one panel a (target, shots).

    Args:
        plot: which metric, against what.
        metrics: contents of metrics files.
        styles: of every variant in `metrics`; controls are grey by their style.
        order: variants as the configuration lists them.
    """
    features = feature_label(metrics[0]["extractor"])
    if plot.x == NFE:
        return _against_nfe(aggregate(metrics, order), plot, styles, features)
    if plot.on_the_way or plot.x in ON_THE_WAY:
        points = trajectories(metrics, plot.y, order, plot.x)
        return _on_the_way(points, plot, styles, features)
    return _against_metric(comparison(metrics, order), plot, styles, features)


@mpl.rc_context(RC)
def _against_nfe(
    rows: pd.DataFrame, plot: Plot, styles: Mapping[str, Style], features: str
) -> Figure:
    """A variant's points are joined; a control without NFE (real images) is a horizontal line."""
    chosen = rows[(rows["metric"] == plot.y) & rows["mean"].notna()]
    blocks = _blocks(chosen)
    figure, panels = _panels(len(blocks), width=4.4, height=4.2)
    for axes, (block, part) in zip(panels, blocks.items(), strict=True):
        for variant, points in part.groupby("variant", sort=False):
            _draw_against_nfe(axes, points, variant, styles[variant])
        axes.set(title=block_title(*block), xscale="log", xlabel="NFE")
        axes.xaxis.set(major_locator=FixedLocator(sorted(set(chosen["nfe"].dropna()))))
        axes.xaxis.set(major_formatter=PLAIN, minor_locator=NullLocator())
        if plot.logarithmic:
            _logarithmic(axes)
    _label_left(panels, _label(plot.y, features))
    without_nfe = set(chosen.loc[chosen["nfe"].isna(), "variant"])
    handles = {
        variant: {"marker": None, "linestyle": styles[variant].dashes, "linewidth": 1.4}
        if variant in without_nfe
        else {"linestyle": "-"}
        for variant in chosen["variant"].unique()
    }
    _legend_below(figure, styles, handles)
    return figure


def _draw_against_nfe(axes: Axes, points: pd.DataFrame, label: str, style: Style) -> None:
    if points["nfe"].isna().any():
        level = points["mean"].iloc[0]
        axes.axhline(level, color=style.color, linestyle=style.dashes, lw=1.4, label=label)
        return
    points = points.sort_values("nfe")
    x, y, error = (points[name].to_numpy(float) for name in ("nfe", "mean", "std"))
    look = {"color": style.color, "marker": style.marker, **WHISKERS}
    axes.errorbar(x, y, yerr=np.nan_to_num(error), label=label, **look)


@mpl.rc_context(RC)
def _against_metric(
    rows: pd.DataFrame, plot: Plot, styles: Mapping[str, Style], features: str
) -> Figure:
    """One mark a row that has both metrics."""
    keys = ["target", "shots", "variant", "nfe"]
    of_x, of_y = (
        rows[rows["metric"] == metric][[*keys, "mean", "std"]].dropna(subset="mean")
        for metric in (plot.x, plot.y)
    )
    both = of_x.merge(of_y, on=keys, suffixes=("_x", "_y"))
    blocks = _blocks(both)
    figure, panels = _panels(len(blocks), width=4.4, height=4.2)
    for axes, (block, part) in zip(panels, blocks.items(), strict=True):
        for point in part.itertuples():
            style = styles[point.variant]
            error = {"xerr": _or_zero(point.std_x), "yerr": _or_zero(point.std_y)}
            look = {"color": style.color, "fmt": style.marker, "markersize": 9, **WHISKERS}
            axes.errorbar(point.mean_x, point.mean_y, label=point.variant, **error, **look)
        label = METRICS[plot.x].column.label(features)
        axes.set(title=block_title(*block), xlabel=label)
        axes.margins(0.12)
        if plot.logarithmic:
            _logarithmic(axes)
    _label_left(panels, _label(plot.y, features))
    variants = both["variant"].unique()
    _legend_below(figure, styles, {variant: {"linestyle": "none"} for variant in variants})
    return figure


@mpl.rc_context(RC)
def _on_the_way(
    points: pd.DataFrame, plot: Plot, styles: Mapping[str, Style], features: str
) -> Figure:
    """Through the snapshots to the last model, whose mark is large; each variant at its NFE."""
    blocks = _blocks(points)
    figure, panels = _panels(len(blocks), width=4.4, height=4.2)
    for axes, (block, part) in zip(panels, blocks.items(), strict=True):
        for variant, curve in part.groupby("variant", sort=False):
            look = {"color": styles[variant].color, "marker": styles[variant].marker}
            x, y = curve["mean_x"].to_numpy(float), curve["mean_y"].to_numpy(float)
            across, along = curve["std_x"].fillna(0), curve["std_y"].fillna(0)
            axes.errorbar(x, y, along, across if across.any() else None, **look, **WHISKERS)
            axes.plot(x[-1:], y[-1:], markersize=10, **look)
        label = ON_THE_WAY.get(plot.x) or METRICS[plot.x].column.label(features)
        axes.set(title=block_title(*block), xlabel=label)
        if plot.x in ON_THE_WAY:
            axes.set_xlim(left=0)
        else:
            axes.margins(0.08)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if plot.logarithmic:
            _logarithmic(axes)
    _label_left(panels, _label(plot.y, features))
    variants = points["variant"].unique()
    _legend_below(figure, styles, {variant: {"linestyle": "-"} for variant in variants})
    return figure


@mpl.rc_context(RC)
def training_curves(
    logs: Sequence[tuple[str, pd.DataFrame]], styles: Mapping[str, Style], title: str
) -> Figure:
    """Everything that runs logged, smoothed, one panel a name.

    Args:
        logs: variant and its log; columns iteration, seconds, then one a logged name, with empty
            cells where it was not logged. Seeds of a variant are lines of one colour.
        styles: of every variant in `logs`.
        title: of the figure.
    """
    names = dict.fromkeys(name for _, log in logs for name in logged_names(log))
    figure, panels = _panels(len(names), width=3.6, height=2.5)
    for axes, name in zip(panels, names, strict=True):
        for variant, log in logs:
            if name in log and log[name].notna().any():
                known = log[log[name].notna()]
                line = axes.plot(known["iteration"], smooth(known[name]), label=variant)[0]
                line.set(color=styles[variant].color, linewidth=1.4)
        axes.set_title(name.replace("_", " "), fontweight="normal")
        axes.margins(x=0.02)
        if _is_wide([line.get_ydata() for line in axes.lines]):
            _logarithmic(axes)
        axes.set_xlabel("iteration")
    figure.suptitle(title, fontweight="bold", fontsize=12)
    lines = {variant: {"marker": None, "linestyle": "-"} for variant, _ in logs}
    _legend_below(figure, styles, lines)
    return figure


def _is_wide(curves: Sequence[np.ndarray]) -> bool:
    values = np.concatenate(curves)
    return bool(values.min() > 0 and values.max() > LOG_RANGE * values.min())


@mpl.rc_context(RC)
def cost(rows: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Training minutes (own, and of the runs a variant starts from), NFE and images per second.

    Args:
        rows: of `comparison.comparison`; values are means over targets and shots.
        styles: of every variant in `rows`; a control has no training, and no bar without NFE.
    """
    rows = rows[rows["nfe"].notna()]
    variants = list(rows["variant"].unique())
    values = rows.pivot_table(index="variant", columns="metric", values="mean")
    values = values.reindex(index=variants, columns=COSTS)
    values["nfe"] = rows.groupby("variant")["nfe"].mean().astype(float)
    figure = Figure(figsize=(11.5, 0.42 * len(variants) + 1.7), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True, width_ratios=(1.5, 1, 1))
    colors = [styles[variant].color for variant in variants]
    _draw_minutes(panels[0], values, colors)
    for axes, column, title in zip(
        panels[1:], ("nfe", "images_per_second"), ("NFE", "images per second"), strict=True
    ):
        bars = axes.barh(variants, values[column].fillna(0), color=colors, height=0.68)
        axes.bar_label(bars, [_short(v) for v in values[column]], padding=3, fontsize=9)
        axes.set(title=title)
    for axes in panels:
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.16)
    panels[0].invert_yaxis()
    own = Patch(facecolor=CONTROL_COLOR, label="own training")
    before = Patch(facecolor=_pale(CONTROL_COLOR), hatch="////", edgecolor="white", linewidth=0)
    before.set_label("training of the runs it starts from")
    figure.legend(handles=[own, before], loc="outside lower center", ncols=2)
    return figure


def _draw_minutes(axes: Axes, values: pd.DataFrame, colors: Sequence[str]) -> None:
    total = values["training_seconds_total"].fillna(0) / 60
    own = (values["training_seconds"] / 60).fillna(total)
    axes.barh(values.index, own, color=colors, height=0.68)
    before = axes.barh(values.index, total - own, left=own, color=colors, height=0.68)
    for bar in before:
        bar.set(facecolor=_pale(bar.get_facecolor()), hatch="////", edgecolor="white", linewidth=0)
    axes.bar_label(before, [_short(v) if v else "" for v in total], padding=3, fontsize=9)
    axes.set(title="training minutes")


def _pale(color: str | tuple) -> tuple:
    return tuple(0.45 * part + 0.55 for part in to_rgb(color))


def _blocks(rows: pd.DataFrame) -> dict[tuple, pd.DataFrame]:
    return dict(list(rows.groupby(["target", "shots"], sort=False, dropna=False)))


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in rows of three; four make a square, one alone is wider."""
    width *= 1.3 if count == 1 else 1
    columns = 2 if count == 4 else max(1, min(count, 3))
    lines = math.ceil(count / columns) or 1
    figure = Figure(figsize=(width * columns, height * lines + 0.6), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.remove()
    return figure, list(panels[:count])


def _label(metric: str, features: str) -> str:
    """Of a vertical axis, in two lines where one is too long for it."""
    label = METRICS[metric].column.label(features)
    return label if len(label) <= LONGEST_LABEL else label.replace(" (", "\n(", 1)


def _label_left(panels: Sequence[Axes], label: str) -> None:
    for axes in panels:
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(label)


def _legend_below(
    figure: Figure, styles: Mapping[str, Style], looks: Mapping[str, Mapping]
) -> None:
    """One legend for all panels, in the order of `styles`; `looks` says what a variant draws."""
    handles = [
        Line2D([], [], **{"color": style.color, "marker": style.marker, **looks[variant]})
        for variant, style in styles.items()
        if variant in looks
    ]
    labels = [variant for variant in styles if variant in looks]
    columns = max(1, int(figure.get_figwidth() / 2.6))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, borderaxespad=0.2)


def _logarithmic(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers, enough of them within a decade."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1, 2, 5) if high < 1000 * low else (1,)
    axes.yaxis.set(major_locator=LogLocator(subs=steps), major_formatter=PLAIN)
    axes.yaxis.set(minor_formatter=NullFormatter())


def _or_zero(value: float) -> float:
    return 0.0 if pd.isna(value) else value


def _short(value: float) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.0f}" if value >= 100 or value == round(value) else f"{value:.1f}"

"""Which files a report consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unidad.config.tables import TableView
from unidad.tasks.plots import Plot

TABLES = tuple(
    f"tables/{name}"
    for name in ("comparison.csv", "comparison.md", "comparison.tex", "comparison.html", "all.csv")
)


COST_PLOT = "cost"


def plot_file(name: str) -> str:
    """Path, inside the report's folder, of a plot over all targets."""
    return f"plots/{name}.png"


def training_curves_file(target: str, shots: int | None) -> str:
    """Path, inside the report's folder, of one target's training curves."""
    return f"plots/training_{_block_name(target, shots)}.png"


def grid_file(target: str, shots: int | None) -> str:
    """Path, inside the report's folder, of one target's image grid."""
    return f"grids/{_block_name(target, shots)}.png"


def nearest_file(target: str, shots: int | None) -> str:
    """Path, inside the report's folder, of one target's samples beside training images."""
    return f"grids/nearest_{_block_name(target, shots)}.png"


def overview_file(view: str) -> str:
    """Path, inside the report's folder, of the images of a table that a configuration names."""
    return f"grids/{view}.png"


def view_files(views: Iterable[str]) -> list[str]:
    """Paths, inside the report's folder, of the tables that a configuration names."""
    views = list(views)
    files = [f"tables/{name}.{kind}" for name in views for kind in ("md", "csv", "tex", "html")]
    return [*files, *(["tables/orderings.csv"] if views else [])]


def report_files(
    blocks: Iterable[tuple[str, int | None]],
    plots: Iterable[Plot],
    views: Mapping[str, TableView] = {},
) -> list[str]:
    """Every file of a report over these (target, shots), as paths inside its folder.

    Shots None stands for a whole training set, as the source has; plots are the task's, views the
    configuration's tables by name.
    """
    blocks = list(blocks)
    names = [*(plot.name for plot in plots), COST_PLOT]
    curves = [training_curves_file(*block) for block in blocks]
    grids = [file(*block) for block in blocks for file in (grid_file, nearest_file)]
    grids += [overview_file(name) for name, view in views.items() if view.images]
    return [*TABLES, *view_files(views), *map(plot_file, names), *curves, *grids]


def _block_name(target: str, shots: int | None) -> str:
    return f"{target}_all" if shots is None else f"{target}_shots{shots}"

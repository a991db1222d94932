"""A configuration's tables laid out: a column of ours, and beside it the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from unidad.config.tables import TableView
from unidad.files import atomic_file
from unidad.metrics.costs import COSTS as KNOWN_COSTS
from unidad.report import formats
from unidad.report.cells import MISSING, NOT_RANKED, deviation_text, mean_text
from unidad.report.formats import Block, Cell, Row, Table
from unidad.report.orderings import told
from unidad.report.published import COSTS, METRICS
from unidad.report.views import Part, Place, View
from unidad.style import feature_label
from unidad.tasks.task import Task


def write_views(
    views: Mapping[str, TableView],
    metrics: Sequence[dict],
    folder: Path,
    task: type[Task],
    targets: Sequence[str],
    shots: Sequence[int],
) -> None:
    """Write <name>.md, .csv, .tex and .html of each table, and the published orderings of all.

    Args:
        views: by name.
        metrics: contents of metrics files.
        folder: created if missing.
        task: whose remarks.
        targets: of the experiment.
        shots: of the experiment.
    """
    contents, rows = {}, []
    for name, described in views.items():
        view = View(described, metrics, targets, shots, task)
        laid_out = layout(view)
        contents |= {
            f"{name}.csv": tidy(view).to_csv(index=False),
            f"{name}.md": formats.markdown(laid_out),
            f"{name}.tex": formats.latex(laid_out),
            f"{name}.html": formats.html(laid_out),
        }
        rows += [{"table": name, **ordering.as_row()} for ordering in view.orderings]
    if views:
        contents["orderings.csv"] = pd.DataFrame(rows).to_csv(index=False)
    for name, text in contents.items():
        with atomic_file(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")


def layout(view: View) -> Table:
    """Blocks of rows; which of two numbers is better stands where the two can be compared."""
    features = feature_label(view.extractor)
    theirs = {place.column.name for place in view.places if place.theirs}
    header, papers = ["method", "NFE"], []
    for column in view.columns:
        header.append(column.header(features))
        if column.name in theirs:
            papers.append(len(header))
            header.append(f"paper {(METRICS | COSTS)[column.name]}")
            header += ["better"] if view.comparable else []
    notes: list[str] = []
    blocks = [
        Block(view.title(part), [_row(view, name, part, theirs, notes) for name in part.known])
        for part in view.parts
    ]
    remarks = [*_remarks(view, features), *notes]
    described = view.view
    return Table(
        tuple(header), blocks, remarks, tuple(papers), described.heading, described.caption
    )


def _row(view: View, name: str, part: Part, theirs: set[str], notes: list[str]) -> Row:
    nfe = part.nfe[name]
    cells = [Cell(MISSING if nfe is None else str(nfe))]
    for place in part.rows[name]:
        column, text = place.column, MISSING
        if place.part is not None:
            text = mean_text(place.part, column) + deviation_text(place.part, column)
        cells.append(Cell(text, (name, column.name) in part.bold))
        if column.name in theirs:
            cells.append(_paper_cell(view.title(part), place, notes))
            cells += [Cell(place.better or MISSING)] if view.comparable else []
    return Row(name, part.control.get(name, False), cells)


def _paper_cell(title: str, place: Place, notes: list[str]) -> Cell:
    if place.theirs is None:
        return Cell(MISSING)
    text = f"{place.theirs.value:.2f}"
    if not place.theirs.note:
        return Cell(text)
    mark = f"[{len(notes) + 1}]"
    notes.append(f"{mark} {title}, {place.row}: {place.theirs.note}.")
    return Cell(f"{text} {mark}")


def _remarks(view: View, features: str) -> Iterator[str]:
    seeds = int(view.frame["n"].max()) if len(view.frame) else 0
    yield "One seed." if seeds < 2 else f"Mean ± standard deviation over {seeds} seeds."
    yield "Bold: the best trained row of ours."
    if any(column.name == "domain_share" for column in view.columns):
        yield NOT_RANKED
    if not {column.name for column in view.columns} <= {*KNOWN_COSTS}:
        yield view.task.about(features, any(place.theirs for place in view.places))
    yield from dict.fromkeys(column.note for column in view.columns if column.note)
    if view.orderings:
        yield told(view.orderings)


def tidy(view: View) -> pd.DataFrame:
    """One row a cell: ours over seeds, theirs and where it is from, which of the two is better."""
    rows = [
        {
            "target": part.target or view.mean_label,
            "shots": part.shots,
            "row": place.row,
            "nfe": part.nfe[place.row],
            "metric": place.column.name,
            **_numbers(place),
            "better": place.better if view.comparable else "",
        }
        for part in view.parts
        for places in part.rows.values()
        for place in places
    ]
    return pd.DataFrame(rows).astype({"nfe": "Int64"})


def _numbers(place: Place) -> dict:
    found = place.part is not None and place.column.name in place.part.index
    ours = place.part.loc[place.column.name] if found else None
    theirs = place.theirs
    return {
        "mean": place.mean,
        "std": ours["std"] * place.column.scale if found else None,
        "n": ours["n"] if found else 0,
        "published": theirs.value if theirs else None,
        "published_table": theirs.table if theirs else None,
        "published_note": theirs.note if theirs else None,
    }

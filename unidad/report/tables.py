"""The comparison table: what stands in which cell, and the files it is written to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from unidad.files import atomic_file
from unidad.metrics.costs import COSTS
from unidad.metrics.registry import METRICS, Column
from unidad.report import formats
from unidad.report.cells import (
    MISSING,
    NOT_RANKED,
    ONE_SIZE,
    best_text,
    deviation_text,
    mean_text,
    of_one_size,
    ranked,
)
from unidad.report.comparison import all_results, comparison
from unidad.report.formats import Block, Cell, Row, Table
from unidad.style import block_title, feature_label
from unidad.tasks.task import Task

SHOWN_COSTS = [COSTS["training_seconds_total"], COSTS["images_per_second"]]


def table(rows: pd.DataFrame, task: type[Task]) -> Table:
    """Lay out the tidy frame of `comparison`: a block a target, a row a variant.

    Bold is the best *printed* mean among a block's trained variants, ties included, that draw the
    target: where the domain share is measured, it is at least REACHED.
    """
    notes: list[str] = []
    columns, papers = measured_columns(rows), papers_beside(rows, task)
    blocks = [
        Block(block_title(*block), _rows(part, columns, papers, notes))
        for block, part in rows.groupby(["target", "shots"], sort=False, dropna=False)
    ]
    features = feature_label(rows["extractor"].iloc[0])
    headers = [column.header(features) for column in columns]
    header = ("variant", "NFE", *headers, *papers.values())
    remarks = _remarks(rows, columns, task.about(features, bool(papers)))
    theirs = tuple(range(len(header) - len(papers), len(header)))
    return Table(header, blocks, [*remarks, *notes], theirs)


def measured_columns(rows: pd.DataFrame) -> list[Column]:
    """All columns but those without a value anywhere, as a folder without held-out images has."""
    measured = set(rows.loc[rows["n"] > 0, "metric"])
    known = [*(metric.column for metric in METRICS.values() if metric.column.heading), *SHOWN_COSTS]
    return [column for column in known if column.name in measured]


def papers_beside(rows: pd.DataFrame, task: type[Task]) -> dict[str, str]:
    """Metric → heading of the papers' numbers, where a row of the table has one."""
    known = set(rows.loc[rows["paper_value"].notna(), "metric"])
    return {metric: heading for metric, heading in task.papers.items() if metric in known}


def _rows(
    block: pd.DataFrame, columns: Sequence[Column], papers: Iterable[str], notes: list[str]
) -> list[Row]:
    block = of_one_size(block)
    among = ranked(block)
    alone = block.loc[~block["control"], "variant"].nunique() == 1
    names = set() if alone else set(among["variant"])  # the best of one says nothing
    best = {column.name: best_text(among, column) for column in columns}
    rows = []
    for (variant, nfe), part in block.groupby(["variant", "nfe"], sort=False, dropna=False):
        part = part.set_index("metric")
        control = bool(part["control"].iloc[0])
        cells = [Cell(MISSING if pd.isna(nfe) else str(nfe))]
        for column in columns:
            text = mean_text(part, column)
            bold = variant in names and text != MISSING and text == best[column.name]
            cells.append(Cell(text + deviation_text(part, column), bold))
        cells += [_paper_cell(part, metric, notes) for metric in papers]
        rows.append(Row(variant, control, cells))
    return rows


def _paper_cell(part: pd.DataFrame, metric: str, notes: list[str]) -> Cell:
    if metric not in part.index or pd.isna(part.loc[metric, "paper_value"]):
        return Cell(MISSING)
    row = part.loc[metric]
    text = f"{row['paper_value']:.2f}"
    if not row["paper_note"]:
        return Cell(text)
    mark = f"[{sum(note.startswith('[') for note in notes) + 1}]"
    notes.append(f"{mark} {row['target']}, {row['variant']}: {row['paper_note']}.")
    return Cell(f"{text} {mark}")


def _remarks(rows: pd.DataFrame, columns: Iterable[Column], about: str) -> Iterable[str]:
    seeds = int(rows["n"].max())
    yield "One seed." if seeds < 2 else f"Mean ± standard deviation over {seeds} seeds."
    yield "Bold: the best trained variant. Italics: controls, which are not trained and not ranked."
    if (rows["metric"] == "domain_share").any():
        yield NOT_RANKED
    if (rows["control"] & ~rows["samples"].isin(rows.loc[~rows["control"], "samples"])).any():
        yield ONE_SIZE
    yield about
    yield from (column.note for column in columns if column.note)
    yield "Training minutes include the runs that a variant starts from."


def write_tables(
    metrics: Sequence[dict], folder: str | Path, task: type[Task], order: Sequence[str] = ()
) -> None:
    """Write comparison.csv, .md, .tex, .html and all.csv into `folder`.

    Args:
        metrics: contents of metrics files; those at another NFE than trained go to all.csv only.
        folder: created if missing.
        task: whose columns and remarks.
        order: variants as the configuration lists them.
    """
    folder = Path(folder)
    rows = comparison(metrics, order, task.papers)
    laid_out = table(rows, task)
    contents = {
        "comparison.csv": rows.to_csv(index=False),
        "comparison.md": formats.markdown(laid_out),
        "comparison.tex": formats.latex(laid_out),
        "comparison.html": formats.html(laid_out),
        "all.csv": all_results(metrics).to_csv(index=False),
    }
    for name, text in contents.items():
        with atomic_file(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")

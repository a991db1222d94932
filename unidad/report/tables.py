"""The comparison table: what stands in which cell, and the files it is written to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from unidad.files import atomic_file
from unidad.report import formats
from unidad.report.comparison import (
    PAPER_LABELS,
    SUBJECT_PAPER_LABELS,
    all_results,
    comparison,
)
from unidad.report.formats import Block, Cell, Row, Table
from unidad.report.style import block_title

MISSING = "–"
FEATURE_LABELS = {
    "synthetic-faces": "synthetic features",
    "synthetic": "synthetic features",
}


@dataclass(frozen=True)
class Column:
    """One measured column.

    Attributes:
        metric: its name in the tidy frame.
        header: `{features}` stands for the feature network's label.
        digits: after the point, of the scaled value.
        best: which end is bold; None where neither is better.
        scale: the value is multiplied by it.
    """

    metric: str
    header: str
    digits: int
    best: Literal["min", "max"] | None
    scale: float = 1.0


COLUMNS = (
    Column("frechet_distance", "FD ({features}) ↓", 2, "min"),
    Column("best_frechet_distance", "best FD on the way", 2, None),
    Column("kernel_distance", "KD ({features}) ×10³ ↓", 2, "min", 1e3),
    Column("instance_similarity", "instance similarity ({features}) ↑", 3, "max"),
    Column("clip_i", "CLIP-I ({features}) ↑", 3, "max"),
    Column("clip_t", "CLIP-T ({features}) ↑", 3, "max"),
    Column("prompt_success", "prompt success ↑", 2, "max"),
    Column("context_success", "context right ↑", 2, "max"),
    Column("property_success", "property right ↑", 2, "max"),
    Column("accessory_success", "accessory right ↑", 2, "max"),
    Column("intra_lpips", "Intra-LPIPS ({features}) ↑", 3, "max"),
    Column("inter_lpips", "Inter-LPIPS ({features}) ↑", 3, "max"),
    Column("precision", "precision ↑", 2, "max"),
    Column("recall", "recall ↑", 2, "max"),
    Column("density", "density ↑", 2, "max"),
    Column("coverage", "coverage ↑", 2, "max"),
    Column("attribute_spread", "attribute spread", 2, None),
    Column("attribute_coverage", "attribute coverage ↑", 2, "max"),
    Column("memorisation", "memorisation ↓", 3, "min"),
    Column("training_seconds_total", "training minutes ↓", 1, "min", 1 / 60),
    Column("images_per_second", "images/s ↑", 1, "max"),
)


def feature_label(extractor: str) -> str:
    """How distances on this feature network are marked, so that none passes for plain FID."""
    return FEATURE_LABELS.get(extractor, f"{extractor} features")


def table(rows: pd.DataFrame) -> Table:
    """Lay out the tidy frame of `comparison`: a block a target, a row a variant.

    Bold is the best *printed* mean among a block's trained variants, ties included.
    """
    notes: list[str] = []
    columns = _measured_columns(rows)
    blocks = [
        Block(block_title(*block), _rows(part, columns, notes))
        for block, part in rows.groupby(["target", "shots"], sort=False, dropna=False)
    ]
    features = feature_label(rows["extractor"].iloc[0])
    headers = [column.header.format(features=features) for column in columns]
    papers = _paper_labels(rows)
    header = ("variant", "NFE", *headers, *papers.values())
    return Table(header, blocks, [*_remarks(rows, features), *notes], len(papers))


def _paper_labels(rows: pd.DataFrame) -> dict[str, str]:
    """Metric → header of the papers' columns."""
    subjects = "clip_t" in set(rows["metric"])
    return SUBJECT_PAPER_LABELS if subjects else PAPER_LABELS


def _measured_columns(rows: pd.DataFrame) -> list[Column]:
    """All columns but those without a value anywhere, as a folder without held-out images has."""
    measured = set(rows.loc[rows["n"] > 0, "metric"])
    return [column for column in COLUMNS if column.metric in measured]


def _rows(block: pd.DataFrame, columns: Sequence[Column], notes: list[str]) -> list[Row]:
    best = {column.metric: _best_text(block, column) for column in columns}
    papers = _paper_labels(block)
    rows = []
    for (variant, nfe), part in block.groupby(["variant", "nfe"], sort=False, dropna=False):
        part = part.set_index("metric")
        control = bool(part["control"].iloc[0])
        cells = [Cell(MISSING if pd.isna(nfe) else str(nfe))]
        for column in columns:
            text = _mean_text(part, column)
            bold = not control and text != MISSING and text == best[column.metric]
            cells.append(Cell(text + _deviation_text(part, column), bold))
        cells += [_paper_cell(part, metric, notes) for metric in papers]
        rows.append(Row(variant, control, cells))
    return rows


def _best_text(block: pd.DataFrame, column: Column) -> str | None:
    trained = block[(block["metric"] == column.metric) & ~block["control"]]
    means = trained["mean"].dropna()
    if column.best is None or means.empty:
        return None
    return _number(means.min() if column.best == "min" else means.max(), column)


def _number(value: float, column: Column) -> str:
    text = f"{value * column.scale:.{column.digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _mean_text(part: pd.DataFrame, column: Column) -> str:
    if column.metric not in part.index or pd.isna(part.loc[column.metric, "mean"]):
        return MISSING
    return _number(part.loc[column.metric, "mean"], column)


def _deviation_text(part: pd.DataFrame, column: Column) -> str:
    if column.metric not in part.index or part.loc[column.metric, "n"] < 2:
        return ""
    return f" ± {_number(part.loc[column.metric, 'std'], column)}"


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


def _remarks(rows: pd.DataFrame, features: str) -> Iterable[str]:
    seeds = int(rows["n"].max())
    yield "One seed." if seeds < 2 else f"Mean ± standard deviation over {seeds} seeds."
    yield "Bold: the best trained variant. Italics: controls, which are not trained and not ranked."
    yield _about_subjects(features) if "clip_t" in set(rows["metric"]) else _about_domains(features)
    if rows.loc[rows["metric"] == "best_frechet_distance", "n"].any():
        yield (
            "Best FD on the way: the smallest among a run's snapshots and its last model, chosen "
            "on the images it is measured against, as published numbers often are. All else is of "
            "the last model."
        )
    yield "Training minutes include the runs that a variant starts from."


def _about_domains(features: str) -> str:
    about = (
        f"FD (Fréchet distance), KD (kernel distance) and Intra-LPIPS are measured on {features}. "
        "The paper's columns are its authors' numbers on photographs at 256×256, with Inception "
        "and VGG features: they "
    )
    if features.startswith("inception-"):
        return about + (
            "compare with ours, whose FD is then the FID, where data sets, resolution and numbers "
            "of images are the paper's, too."
        )
    return about + "stand here for orientation and are not comparable with ours."


def _about_subjects(features: str) -> str:
    return (
        f"Similarities and LPIPS are measured on {features}; prompt success is the share of "
        "images that show all that their prompt asks for. The papers' columns are their authors' "
        "numbers on DreamBooth's 30 subjects, with Stable Diffusion 1.5 and published encoders, "
        "which differ from paper to paper: they stand here for orientation and are not comparable "
        "with ours."
    )


def write_tables(metrics: Sequence[dict], folder: str | Path, order: Sequence[str] = ()) -> None:
    """Write comparison.csv, .md, .tex, .html and all.csv into `folder`.

    Args:
        metrics: contents of metrics files; those at another NFE than trained go to all.csv only.
        folder: created if missing.
        order: variants as the configuration lists them.
    """
    folder = Path(folder)
    rows = comparison(metrics, order)
    laid_out = table(rows)
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

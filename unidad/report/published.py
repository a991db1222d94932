"""What the Uni-DAD (arXiv 2511.18281) and EchoDistill (2510.20512) papers report, beside ours."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unidad.tasks.personalisation import ALL_SUBJECTS

TABLES = [
    Path(__file__).with_name("published") / name for name in ("uni_dad.csv", "echodistill.csv")
]
TARGETS = {
    **{name: name for name in ("babies", "sunglasses", "metfaces", "cats")},
    "portraits": "metfaces",
    ALL_SUBJECTS: "dreambooth30",
}
"""A target → the papers' data set that it is, or mirrors in our benchmark."""
METRICS = {
    **{"frechet_distance": "FID", "intra_lpips": "Intra-LPIPS", "inter_lpips": "Inter-LPIPS"},
    **{"instance_similarity": "DINO", "clip_i": "CLIP-I", "clip_t": "CLIP-T"},
}
"""Our metric → the papers'; theirs are measured on published networks and photographs."""
COSTS = {
    "minutes_for_5000": "minutes for 5000 samples",
    "tflops_per_image": "TFLOPs per image",
    "training_hours": "training GPU hours",
    "peak_memory_added": "peak memory added by the target teacher (%)",
}
"""The same of costs, which the papers give for no data set of its own."""
NOT_MEASURED = {"user preference (%)": "asks people"}
"""The papers' metric → why no table of ours has it."""
ANY_SHOTS = ("dreambooth30",)
"""Data sets of four to six photos a subject, whose number the papers' tables do not keep to."""
METHODS = {("dreambooth30", "FT"): "FT (DreamBooth)"}
"""(Data set, our label) → the papers' label where it is another."""


@dataclass(frozen=True)
class PublishedValue:
    """One number of a paper.

    Attributes:
        value: as printed in the paper.
        paper: the name of its file.
        table: the paper's table that it was read from.
        nfe: network evaluations an image.
        line: of its file, the header's being 1.
        note: where transcriptions or tables disagree; empty when they do not.
    """

    value: float
    paper: str
    table: str
    nfe: int
    line: int
    note: str


@cache
def _rows() -> tuple[dict, ...]:
    rows = []
    for table in TABLES:
        with open(table, newline="", encoding="utf-8") as file:
            read = enumerate(csv.DictReader(file), start=2)
            rows += [row | {"paper": table.stem, "line": line} for line, row in read]
    return tuple(rows)


def published_value(
    target: str, variant: str, metric: str, nfe: int | None = None, shots: int | None = 10
) -> PublishedValue | None:
    """The paper's number for one cell of our table; the main table wins over the ablations.

    Args:
        target: of our benchmark, see `TARGETS`.
        variant: our label; it matches when the paper uses the same name, see also `METHODS`.
        metric: ours, see `METRICS`.
        nfe: network evaluations per image, of distilled students; None takes the first that the
            paper lists.
        shots: training images; None (a whole set) is never in the paper.

    Returns:
        None where the paper has no such number.
    """
    renamed = METHODS.get((TARGETS.get(target), variant))
    found = find_published(
        target, renamed or variant, metric, None if renamed else nfe, shots, table=None
    )
    return found[0] if found else None


def find_published(
    target: str | None,
    method: str,
    metric: str,
    nfe: int | None,
    shots: int | None,
    table: str | None,
) -> list[PublishedValue]:
    """Every number that the papers have for a cell; those of a given table come first.

    Args:
        target: of our benchmark; None: the mean over all.
        method: the papers' label.
        metric: ours.
        nfe: network evaluations per image; None: any.
        shots: training images.
        table: of the paper.
    """
    data_set = "" if metric in COSTS else TARGETS.get(target)
    wanted = {"target": data_set, "metric": (METRICS | COSTS).get(metric), "method": method}
    if data_set not in ANY_SHOTS:
        wanted["shots"] = str(shots)
    if nfe is not None:
        wanted["nfe"] = str(nfe)
    found = [row for row in _rows() if all(row[key] == value for key, value in wanted.items())]
    found.sort(key=lambda row: row["table"] != table)
    return [
        PublishedValue(
            float(row["value"]),
            row["paper"],
            row["table"],
            int(row["nfe"]),
            row["line"],
            row["note"],
        )
        for row in found
    ]

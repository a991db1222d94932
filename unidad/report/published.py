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
METHODS = {("dreambooth30", "FT"): "FT (DreamBooth)"}
"""(Data set, our label) → the papers' label where it is another."""


@dataclass(frozen=True)
class PublishedValue:
    """One number of a paper.

    Attributes:
        value: as printed in the paper.
        table: the paper's table that it was read from.
        note: where transcriptions or tables disagree; empty when they do not.
    """

    value: float
    table: str
    note: str


@cache
def _rows() -> tuple[dict[str, str], ...]:
    rows = []
    for table in TABLES:
        with open(table, newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
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
    data_set = TARGETS.get(target)
    renamed = METHODS.get((data_set, variant))
    wanted = {
        "target": data_set,
        "metric": METRICS.get(metric),
        "method": renamed or variant,
        "shots": str(shots),
    }
    if nfe is not None and renamed is None:
        wanted["nfe"] = str(nfe)
    for row in _rows():
        if all(row[key] == value for key, value in wanted.items()):
            return PublishedValue(float(row["value"]), row["table"], row["note"])
    return None

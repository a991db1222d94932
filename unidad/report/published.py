"""What the Uni-DAD paper reports (arXiv 2511.18281), to stand beside our numbers."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("published") / "uni_dad.csv"
TARGETS = {"babies": "babies", "sunglasses": "sunglasses", "portraits": "metfaces", "cats": "cats"}
"""Our benchmark's target → the paper's data set that it mirrors."""
METRICS = {"frechet_distance": "FID", "intra_lpips": "Intra-LPIPS"}
"""Our metric → the paper's; theirs are measured on Inception and VGG features at 256×256."""


@dataclass(frozen=True)
class PublishedValue:
    """One number of the paper.

    Attributes:
        value: FID or LPIPS distance, as printed in the paper.
        table: the paper's table that it was read from.
        note: where transcriptions or tables disagree; empty when they do not.
    """

    value: float
    table: str
    note: str


@cache
def _few_shot_rows() -> tuple[dict[str, str], ...]:
    with open(TABLE, newline="", encoding="utf-8") as file:
        return tuple(row for row in csv.DictReader(file) if row["task"] == "fsig")


def published_value(
    target: str, variant: str, metric: str, nfe: int | None = None, shots: int | None = 10
) -> PublishedValue | None:
    """The paper's number for one cell of our table; the main table wins over the ablations.

    Args:
        target: of our benchmark, see `TARGETS`.
        variant: our label; it matches when the paper uses the same name.
        metric: ours, see `METRICS`.
        nfe: network evaluations per image; None takes the first that the paper lists.
        shots: training images; None (a whole set) is never in the paper.

    Returns:
        None where the paper has no such number.
    """
    wanted = {
        "target": TARGETS.get(target),
        "metric": METRICS.get(metric),
        "method": variant,
        "shots": str(shots),
    }
    if nfe is not None:
        wanted["nfe"] = str(nfe)
    for row in _few_shot_rows():
        if all(row[key] == value for key, value in wanted.items()):
            return PublishedValue(float(row["value"]), row["table"], row["note"])
    return None

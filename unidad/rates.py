"""How long a training update and a network evaluation take, as measured."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from unidad.errors import UserError
from unidad.files import read_json
from unidad.plan import Plan

SAMPLING = "sampling"
COLUMNS = ("method", "resolution", "batch_size", "seconds", "device")
OWN = "this experiment's finished runs"


@dataclass(frozen=True)
class Rate:
    """A measured rate.

    Attributes:
        seconds: of one student update of a method, with the fake score's updates that go with it;
            of ``sampling``, of one network evaluation of one image.
        source: where it was measured.
    """

    seconds: float
    source: str


Key = tuple[str, int, int]
"""Method (or ``sampling``), resolution, batch size."""
Rates = dict[Key, Rate]


def known_rates(plan: Plan, table: Path) -> Rates:
    """The rates of a table, and before them those of the experiment's own finished runs.

    Raises:
        UserError: see `read_rates` and `finished_rates`.
    """
    return read_rates(table) | finished_rates(plan)


def read_rates(path: Path) -> Rates:
    """The rates of a CSV file with the columns method, resolution, batch_size, seconds and device.

    No file, no rates.

    Raises:
        UserError: another table, or a value that is no number.
    """
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return {
            (row["method"], int(row["resolution"]), int(row["batch_size"])): Rate(
                float(row["seconds"]), f"{path} ({row['device']})"
            )
            for row in rows
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a table of rates ({error!r}); its columns are {', '.join(COLUMNS)}"
        ) from None


def finished_rates(plan: Plan) -> Rates:
    """The mean rates of an experiment's runs that have ended and of its image sets that are drawn.

    Raises:
        UserError: a damaged summary.
    """
    work: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    resolution, at_once = plan.config.resolution, plan.config.evaluation.batch_size
    for run in plan.runs():
        summary = Path(plan.root, "runs", run.key, "training.json")
        if found := _values(summary, "method", "batch_size", "seconds", "updates"):
            method, batch_size, seconds, updates = found
            work[method, resolution, batch_size].append((seconds, updates["student"]))
    for images in {row.images for row in plan.rows() if row.images.startswith("samples/")}:
        cost = Path(plan.root, images).with_suffix(".json")
        if found := _values(cost, "images_per_second", "nfe"):
            images_per_second, nfe = found
            work[SAMPLING, resolution, at_once].append((1 / images_per_second, nfe))
    return {
        key: Rate(sum(seconds for seconds, _ in pairs) / sum(count for _, count in pairs), OWN)
        for key, pairs in work.items()
    }


def _values(path: Path, *keys: str) -> list | None:
    """What a summary says; None where there is none, or where it leaves one of the keys open."""
    if not path.exists():
        return None
    summary = read_json(path, "")
    missing = [key for key in keys if key not in summary]
    if missing:
        raise UserError(f"{path}: no {missing[0]!r} in it; delete it and run the workflow again")
    values = [summary[key] for key in keys]
    return None if None in values else values

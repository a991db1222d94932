"""The training log, and how fast a run is by the clock."""

from __future__ import annotations

import csv
import time
from collections import defaultdict, deque
from pathlib import Path

from torch import Tensor

from unidad.files import atomic_file, write_json

PACE = "pace.json"
RECENT_LINES = 10
"""A run's pace is that of its last lines."""


class TrainingLog:
    """Means of losses and logs since the last line, as CSV.

    Its state belongs into a checkpoint: a resumed run's log then is an uninterrupted one's. Beside
    it stands `pace.json`: how many lines, iterations and seconds of the clock are between its last
    lines.
    """

    def __init__(self, path: Path):
        self.path = path
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._columns = ["iteration", "seconds"]
        self._rows: list[dict] = []
        self._times: deque[tuple[int, float]] = deque(maxlen=RECENT_LINES)

    @property
    def lines(self) -> dict:
        """What was written, to be kept in a checkpoint; JSON-able."""
        return {"columns": self._columns, "rows": self._rows}

    @property
    def sums(self) -> dict[str, list[float]]:
        """What was collected since the last line, in this process."""
        return dict(self._sums)

    def restore(self, lines: dict, sums: dict[str, list[float]]) -> None:
        """Go on from a checkpoint's lines and sums."""
        self._columns, self._rows = lines["columns"], lines["rows"]
        self._sums = defaultdict(list, sums)

    def start(self) -> None:
        """Write the file with the lines so far."""
        self._rewrite()

    def add(self, values: dict[str, Tensor | float]) -> None:
        """Collect values until the next line."""
        for name, value in values.items():
            self._sums[name].append(float(value))

    def means(self) -> dict[str, float]:
        """Means of what was collected since the last time."""
        means = {name: sum(values) / len(values) for name, values in self._sums.items()}
        self._sums.clear()
        return means

    def write(self, iteration: int, seconds: float, means: dict[str, float]) -> None:
        """Append a line."""
        row = {"iteration": iteration, "seconds": f"{seconds:.2f}"}
        row |= {name: f"{value:.6g}" for name, value in means.items()}
        self._rows.append(row)
        new = [name for name in row if name not in self._columns]
        self._columns += new
        if new:
            self._rewrite()
        else:
            with open(self.path, "a", newline="") as file:
                csv.DictWriter(file, self._columns).writerow(row)
        self._times.append((iteration, time.monotonic()))
        (first, began), (last, ended) = self._times[0], self._times[-1]
        pace = {"lines": len(self._times) - 1, "iterations": last - first}
        write_json(self.path.with_name(PACE), pace | {"seconds": round(ended - began, 3)})

    def _rewrite(self) -> None:
        with atomic_file(self.path) as partial, open(partial, "w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._rows)

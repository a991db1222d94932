"""How far a workflow is, from the files that are there: here or on a cluster, new or resumed."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from unidad.config.run import MethodSettings
from unidad.plan import Plan
from unidad.tasks.rows import Run

EVALUATION_SECONDS = 0.006
"""Of a 64x64 image on two cores, as a method's `update_seconds`."""
JOB_SECONDS = 7.0
"""What any job takes to start."""
REPORT = "tables/all.csv"
TRUSTED_SECONDS = 60.0
"""What the estimates above weigh against what was seen on this machine."""
LINE_SHARE = 0.1
"""Where no terminal is: what a long step has to gain for another line."""


@dataclass(frozen=True)
class Step:
    """A part of the work.

    Attributes:
        title: what it does, to be shown.
        file: is there when it is done.
        seconds: about how long it takes.
        log: of a training on its way, and
        iterations: how many that has.
    """

    title: str
    file: Path
    seconds: float
    log: Path | None = None
    iterations: int = 1

    def done(self) -> float:
        """Share of it, from 0 to 1."""
        if self.file.exists():
            return 1.0
        return 0.0 if self.log is None else min(1.0, _last_iteration(self.log) / self.iterations)


def steps(plan: Plan, folder: Path) -> list[Step]:
    """The steps of an experiment, in about the order in which they come.

    Args:
        plan: of the experiment.
        folder: that its paths start at.
    """
    root = folder / plan.root
    found = [
        Step("looking at the photos", root / f"data/{name}/manifest.json", JOB_SECONDS)
        for name in plan.data_sets
    ]
    found += [
        Step("placing models", root / f"models/{name}", JOB_SECONDS) for name in plan.task.placed()
    ]
    found += [_training(plan, run, root) for run in plan.runs()]
    found += _measuring(plan, root)
    return [*found, Step("tables, plots and page", root / REPORT, 2 * JOB_SECONDS)]


def _training(plan: Plan, run: Run, root: Path) -> Step:
    variant, folder = plan.config.variants[run.label], root / f"runs/{run.key}"
    seconds = variant.training.student_updates * variant.update_seconds
    log = folder / "state/training.csv"
    title = f"training {run.label}"
    total = iterations(variant)
    return Step(title, folder / "training.json", JOB_SECONDS + seconds, log, total)


def iterations(variant: MethodSettings) -> int:
    """Of a whole training: several to a student update where a fake score learns, too."""
    a_step = 1
    if hasattr(variant, "distillation"):
        a_step = variant.distillation.fake_score_updates_per_student_update
    return variant.training.student_updates * a_step


def _measuring(plan: Plan, root: Path) -> Iterator[Step]:
    """Drawing and measuring; each image set once."""
    rows = plan.rows()
    for images, row in {row.images: row for row in rows}.items():
        if images.startswith("samples/"):
            drawn = plan.task.sample_count(row) * (row.nfe or 1) * EVALUATION_SECONDS
            yield Step(f"drawing: {row.label}", root / images, JOB_SECONDS + drawn)
        yield Step(f"measuring: {row.label}", root / f"features/{images}", JOB_SECONDS)
    for row in rows:
        if (run := plan.followed_run(row)) is not None:
            kept = plan.config.variants[row.label].training.snapshots
            drawn = kept * plan.task.sample_count(row) * (row.nfe or 1) * EVALUATION_SECONDS
            file = root / f"trajectories/{run}.json"
            yield Step(f"on the way: {row.label}", file, JOB_SECONDS + drawn)
        yield Step(f"measuring: {row.label}", root / row.metrics, JOB_SECONDS)


def _last_iteration(log: Path) -> int:
    try:
        with open(log, newline="") as file:
            rows = list(csv.DictReader(file))
        return int(rows[-1]["iteration"])
    except (OSError, IndexError, KeyError, TypeError, ValueError):
        return 0


class Bar:
    """One bar over all steps, with the time that is left; where no terminal is, lines.

    Args:
        parts: see `steps`.
        quiet: show nothing.
    """

    def __init__(self, parts: list[Step], quiet: bool = False):
        self.parts, self.quiet = parts, quiet
        self.console = Console(stderr=True)
        self.whole = sum(step.seconds for step in parts)
        self.begun, self.before = time.monotonic(), self._look()[0]
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._bar = Progress(*columns, console=self.console)
        self._task = self._bar.add_task("beginning", total=self.whole, left="")
        self._told, self._told_share = "", 0.0

    def __enter__(self) -> Bar:
        if self.console.is_terminal and not self.quiet:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def update(self) -> None:
        """Look at the files, and show how far it is."""
        done, now = self._look()
        left = time_left(self.whole, done, self.before, time.monotonic() - self.begun)
        self._bar.update(self._task, completed=done, description=now, left=left)
        share = done / self.whole
        if self.quiet or self.console.is_terminal:
            return
        if now != self._told or share >= self._told_share + LINE_SHARE:
            self.console.print(f"{share:4.0%} {now}{left and f', {left}'}", highlight=False)
            self._told, self._told_share = now, share

    def _look(self) -> tuple[float, str]:
        """Estimated seconds of what is done, and what is being done."""
        shares = [step.done() for step in self.parts]
        done = sum(share * step.seconds for share, step in zip(shares, self.parts, strict=True))
        under_way = [step for share, step in zip(shares, self.parts, strict=True) if share < 1]
        begun = [step for share, step in zip(shares, self.parts, strict=True) if 0 < share < 1]
        return done, (begun or under_way)[0].title if under_way else "done"


def time_left(whole: float, done: float, before: float, elapsed: float) -> str:
    """Time left, in words; empty at the end.

    Args:
        whole: estimated seconds of all steps.
        done: of those that are done,
        before: and of those that were when it began.
        elapsed: seconds since then: they correct the estimates.
    """
    if done >= whole:
        return ""
    slowness = (elapsed + TRUSTED_SECONDS) / (done - before + TRUSTED_SECONDS)
    minutes = round((whole - done) * slowness / 60)
    if minutes < 1:
        return "less than a minute left"
    if minutes < 100:
        return f"about {minutes} min left"
    return f"about {minutes / 60:.0f} h left"

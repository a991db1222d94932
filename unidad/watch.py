"""How far the trainings of an experiment are, from the files that they leave; nothing is written.

A run's folder may be in the middle of anything: what cannot be read yet counts as not there.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from unidad.adapt.progress import iterations
from unidad.config.run import RunSpec
from unidad.errors import UserError
from unidad.experiment.load import load_config
from unidad.plan import Plan
from unidad.style import block_title
from unidad.training.log import PACE

DONE, RUNNING, STOPPED, WAITING = "done", "running", "stopped", "waiting"
ORDER = (RUNNING, STOPPED, DONE, WAITING)
COLORS = {DONE: "green", RUNNING: "bold cyan", STOPPED: "red", WAITING: "dim"}
SILENT_LINES, SILENT_SECONDS, FIRST_SECONDS = 10, 120.0, 600.0
"""A run that logged nothing for as long as so many lines take, and so long, has stopped; before its
pace is known, one that logged nothing for FIRST_SECONDS."""
PERIOD = 2.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Progress:
    """Of one training.

    Attributes:
        key: its folder below ``runs/``.
        block: target and shots.
        label: of the variant.
        seed: of the training.
        state: DONE, RUNNING, STOPPED or WAITING.
        iteration, total: how far it is.
        seconds: of the whole training, as its cost is measured: on a CPU, of the processor.
        images_per_second, seconds_left: by the clock; None where it is not known yet.
        losses: name → value of the last line; gradient norms left out.
        grid: the last images that it drew on its way.
        needs: labels of what is to end first.
    """

    key: str
    block: str
    label: str
    seed: int
    state: str
    iteration: int
    total: int
    seconds: float = 0.0
    images_per_second: float | None = None
    seconds_left: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    grid: Path | None = None
    needs: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it is called where it stands alone."""
        return f"{self.block}, {self.label}, seed {self.seed}"


def opened(folder: Path) -> Plan:
    """The plan of a results folder.

    Raises:
        UserError: nothing was begun there.
    """
    config = folder / "specs/config.json"
    if not config.exists():
        raise UserError(f"{folder}: no specs/config.json in it; give results/<experiment>")
    return Plan(load_config(config), str(folder.parent))


def progress(plan: Plan, folder: Path, now: float | None = None) -> list[Progress]:
    """Of every training of the experiment, in an order in which they can run.

    Args:
        plan: of the experiment.
        folder: of its results.
        now: seconds since the epoch; None: of the clock.
    """
    now = time.time() if now is None else now
    source = plan.task.source_specs()
    found = {name: _look(folder, name, spec, now) for name, spec in source.items()}
    for run in plan.runs():
        needed = plan.dependencies(run).values()
        needs = [other.label for other in needed if found[other.key].state != DONE]
        looked = _look(folder, run.key, plan.spec(run), now)
        found[run.key] = replace(looked, needs=tuple(dict.fromkeys(needs)))
    return list(found.values())


def _look(folder: Path, key: str, spec: RunSpec, now: float) -> Progress:
    run = folder / "runs" / key
    total = iterations(spec.variant)
    block = block_title(spec.target, spec.shots)
    start = Progress(key, block, spec.label, spec.seed, WAITING, 0, total)
    grid = max(run.glob("samples/*.png"), default=None)
    if (run / "training.json").exists():
        seconds = _json(run / "training.json").get("seconds", 0.0)
        return replace(start, state=DONE, iteration=total, seconds=seconds, grid=grid)
    log = run / "state/training.csv"
    age = _age(log, now)
    if age is None:
        return start
    lines, pace = _lines(log), _json(run / "state" / PACE)
    start = replace(start, state=STOPPED if age > _patience(pace) else RUNNING)
    if not lines:
        return start
    last = lines[-1]
    done = int(last["iteration"])
    return replace(
        start,
        iteration=done,
        grid=grid,
        losses={name: value for name, value in last.items() if _is_loss(name)},
        **_speed(pace, max(0, total - done), spec.variant.training.batch_size),
    )


def _is_loss(name: str) -> bool:
    return name not in ("iteration", "seconds") and not name.endswith("_norm")


def _speed(pace: dict, left: int, batch_size: int) -> dict:
    iterations, seconds = pace.get("iterations", 0), pace.get("seconds", 0)
    if not iterations or not seconds:
        return {}
    rate = iterations / seconds
    return {"images_per_second": batch_size * rate, "seconds_left": left / rate}


def _lines(log: Path) -> list[dict[str, float]]:
    """Complete lines of a log; cells that are empty are left out."""
    try:
        text = log.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return []
    complete = text[: text.rfind("\n") + 1]
    found = []
    for row in csv.DictReader(complete.splitlines()):
        try:
            line = {name: float(value) for name, value in row.items() if value}
            found.append(line | {key: line[key] for key in ("iteration", "seconds")})
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _patience(pace: dict) -> float:
    """Seconds of silence that a run may need: it also draws grids and writes checkpoints."""
    if not pace.get("lines"):
        return FIRST_SECONDS
    return max(SILENT_SECONDS, SILENT_LINES * pace["seconds"] / pace["lines"])


def _age(path: Path, now: float) -> float | None:
    try:
        return now - path.stat().st_mtime
    except OSError:
        return None


def _json(path: Path) -> dict:
    """What a file holds; nothing where it cannot be read."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError):
        return {}


def table_of(found: Sequence[Progress]) -> Table:
    """A line for each training: what runs on top, then the rest.

    Seeds that are alike share a line, so that most experiments fit a screen.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("state", "training", "seed"):
        table.add_column(name, overflow="fold")
    for name in ("done", "images/s", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for alike in _alike(found):
        one = alike[0]
        seeds = ", ".join(str(other.seed) for other in alike)
        share = f"{100 * one.iteration // max(1, one.total)} %"
        speed = "" if one.images_per_second is None else f"{one.images_per_second:.1f}"
        left = duration(one.seconds_left) if one.state == RUNNING else ""
        state, title = f"[{COLORS[one.state]}]{one.state}[/]", escape(f"{one.block}, {one.label}")
        table.add_row(state, title, seeds, share, speed, left, escape(_said(alike)))
    return table


def _alike(found: Sequence[Progress]) -> list[list[Progress]]:
    groups: dict[tuple, list[Progress]] = {}
    for one in sorted(found, key=lambda one: ORDER.index(one.state)):
        own = one.key if one.state in (RUNNING, STOPPED) else None
        key = (one.state, own, one.block, one.label, one.needs)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _said(alike: Sequence[Progress]) -> str:
    one = alike[0]
    if one.state == DONE:
        return f"{' and '.join(duration(other.seconds) for other in alike)} of training"
    if one.state == WAITING:
        return f"for {', '.join(one.needs)}" if one.needs else ""
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in one.losses.items())


def below(plan: Plan, folder: Path, found: Sequence[Progress]) -> Iterator[str]:
    """What is said below the table: where grids and logs are, and how much is done."""
    for one in found:
        if one.state in (RUNNING, STOPPED) and one.grid is not None:
            yield f"last images of {one.title}: {one.grid}"
        if one.state == STOPPED:
            log = folder / f"logs/train/{one.key}.log"
            yield f"stopped: {one.title}; why may stand in {log}. The workflow goes on from there."
    counts = {state: sum(one.state == state for one in found) for state in ORDER}
    trained = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    yield f"{len(found)} training{'' if len(found) == 1 else 's'}: {trained or 'none'}"
    measured = [row.metrics for row in plan.rows()]
    there = sum((folder / path).exists() for path in measured)
    yield f"{there} of {len(measured)} rows of the table measured"
    page = folder / "index.html"
    if page.exists() and there == len(measured) and counts[DONE] == len(found):
        yield f"to look at: {page}"


def duration(seconds: float | None) -> str:
    """Short: ``40 s``, ``12 min``, ``3 h 05``; empty where it is not known."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d}"


def watch(folder: Path, once: bool = False) -> None:
    """Print how far an experiment is; in a terminal again and again, until all is measured.

    Args:
        folder: ``results/<experiment>``.
        once: print and end.

    Raises:
        UserError: nothing was begun there.
    """
    plan, console = opened(folder), Console()
    if once or not console.is_terminal:
        found = progress(plan, folder)
        console.print(table_of(found), "")
        for line in below(plan, folder, found):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                found = progress(plan, folder)
                lines = map(escape, below(plan, folder, found))
                live.update(Group(table_of(found), "", *lines), refresh=True)
                if all(one.state == DONE for one in found) and (folder / "index.html").exists():
                    return
                time.sleep(PERIOD)
        except KeyboardInterrupt:
            return

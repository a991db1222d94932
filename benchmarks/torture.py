"""Kills and bit flips at random moments: is what comes out ever wrong without a word?

    python -m benchmarks.torture --minutes 30 --out results/reference/torture.md

Each subject runs once undisturbed. Then, in turns until the time is over, it is started in a new
folder, killed (SIGKILL, all its processes) once to four times at random moments and started again
until it ends; or a bit of what it reads is flipped, some times in a turn, and it runs in a fork of
this process, which has imported what it needs. What comes out must be equal to the
undisturbed run's, to the bit, or refused in a line. Everything else is counted as what it is:
**silent** (another result, exit status 0), **traceback**, or **hung**.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.runner import machine
from benchmarks.torture_subjects import UNIDAD, Subject, subjects
from unidad.cli import main as unidad
from unidad.files import atomic_file
from unidad.provenance import commit

OUTCOMES = ("equal", "refused", "silent", "traceback", "hung")
MOST_KILLS = 4
FLIPS = 10
"""Tries in a turn with a flipped bit: they take seconds."""
IMPORTED = (
    "unidad.tasks.evaluate",
    "unidad.training.run",
    "unidad.sampling",
    "diffusers.models.unets.unet_2d",
    "scipy.linalg",
)
"""What takes long to import, before the first fork."""
PATIENCE = 10
"""A run that takes so many times the undisturbed one's seconds, and a minute, hangs."""
TRACEBACK = "Traceback (most recent call last)"


def main(arguments: Sequence[str] | None = None) -> None:
    """Torture the subjects, write the table, end with 1 if anything was silent, raw or hung."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of moments and bits")
    parser.add_argument("--work", type=Path, default=Path("results/torture"), help="folder to use")
    parser.add_argument("--out", type=Path, default=Path("results/torture/torture.md"))
    parser.add_argument("--only", nargs="+", help="subjects, by name")
    options = parser.parse_args(arguments)
    shutil.rmtree(options.work, ignore_errors=True)
    chosen = [s for s in subjects(options.work) if not options.only or s.name in options.only]
    campaign = Campaign(options.work.resolve(), random.Random(options.seed))
    for module in IMPORTED:
        importlib.import_module(module)
    end = time.monotonic() + 60 * options.minutes
    while time.monotonic() < end:
        for subject in chosen:
            for _ in range(FLIPS if subject.flipped else 1):
                campaign.once(subject)
            with atomic_file(options.out) as partial:
                partial.write_text(campaign.page() + "\n", encoding="utf-8")
    print(campaign.page())
    if campaign.faults:
        raise SystemExit(1)


class Campaign:
    """Counts what came of each try.

    Args:
        folder: where runs are made.
        draw: of moments and bits.
    """

    def __init__(self, folder: Path, draw: random.Random):
        self.folder, self.draw = folder, draw
        self.expected: dict[str, tuple[str, float]] = {}
        self.counts: dict[str, Counter] = {}
        self.faults: list[str] = []

    def once(self, subject: Subject) -> None:
        """One try, after the undisturbed run if there was none."""
        counts = self.counts.setdefault(subject.name, Counter())
        if subject.name not in self.expected:
            self.expected[subject.name] = self._undisturbed(subject)
        expected, seconds = self.expected[subject.name]
        counts["tries"] += 1
        folder = self.folder / f"{subject.slug}-{counts['tries']}"
        folder.mkdir(parents=True)
        subject.prepare(folder)
        flipped = self._disturb(subject, folder, seconds, counts)
        status, said = self._run(subject, folder, PATIENCE * seconds + 60)
        outcome = self._judge(subject, folder, status, said, expected)
        counts[outcome] += 1
        line = f"{subject.name}, try {counts['tries']}: {outcome}{flipped}"
        print(line, flush=True)
        if outcome in OUTCOMES[2:]:
            self.faults.append(f"{line}: {said.strip()[-400:]}")
        else:
            shutil.rmtree(folder)

    def _undisturbed(self, subject: Subject) -> tuple[str, float]:
        folder = self.folder / f"{subject.slug}-0"
        folder.mkdir(parents=True)
        subject.prepare(folder)
        began = time.monotonic()
        status, said = self._run(subject, folder, 3600)
        if status:
            raise SystemExit(f"{subject.name}, undisturbed: status {status}: {said}")
        found = subject.result(folder), time.monotonic() - began
        shutil.rmtree(folder)
        return found

    def _disturb(self, subject: Subject, folder: Path, seconds: float, counts: Counter) -> str:
        """Flip a bit of what it reads, or kill it a few times; tells what was flipped."""
        if subject.flipped:
            counts["flips"] += 1
            return flip(self.draw.choice(subject.flipped(folder)), self.draw)
        for _ in range(self.draw.randint(1, MOST_KILLS)):
            process = start(subject, folder)
            try:
                process.wait(self.draw.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                counts["kills"] += 1
            kill(process)
        return ""

    def _run(self, subject: Subject, folder: Path, patience: float) -> tuple[int | None, str]:
        status = (run_forked if subject.flipped else run)(subject, folder, patience)
        if status is None:
            return None, "no end"
        return status, (folder / "said.log").read_text(errors="replace")

    def _judge(
        self, subject: Subject, folder: Path, status: int | None, said: str, expected: str
    ) -> str:
        if status is None:
            return "hung"
        if TRACEBACK in said:
            return "traceback"
        if status:
            return "refused" if subject.flipped is not None else "traceback"
        return "equal" if subject.result(folder) == expected else "silent"

    def page(self) -> str:
        """The table in Markdown, and each fault below it."""
        columns = ("tries", "kills", "flips", *OUTCOMES)
        lines = [
            "# Kills and bit flips at random moments",
            "",
            "`make torture`; what each column means: benchmarks/torture.py.",
            "",
            f"- machine: {machine()}",
            f"- commit: {commit()}",
            "",
            f"| subject | {' | '.join(columns)} |",
            f"|---|{'---:|' * len(columns)}",
        ]
        total = sum(self.counts.values(), Counter())
        for name, counts in [*self.counts.items(), ("all", total)]:
            lines.append(f"| {name} | {' | '.join(str(counts[column]) for column in columns)} |")
        return "\n".join([*lines, *(f"\n- {fault}" for fault in self.faults)])


def start(subject: Subject, folder: Path) -> subprocess.Popen:
    """Start it as the leader of a process group; what it says goes into ``said.log``."""
    with open(folder / "said.log", "w") as said:
        return subprocess.Popen(
            subject.command(folder),
            cwd=subject.where(folder),
            env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def run(subject: Subject, folder: Path, patience: float) -> int | None:
    """Its exit status; None: it had not ended after `patience` seconds."""
    process = start(subject, folder)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        kill(process)
        return None


def run_forked(subject: Subject, folder: Path, patience: float) -> int | None:
    """`run` in a fork of this process."""
    process = multiprocessing.get_context("fork").Process(target=_inside, args=(subject, folder))
    process.start()
    process.join(patience)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return process.exitcode


def _inside(subject: Subject, folder: Path) -> None:
    with open(folder / "said.log", "w") as said:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(said.fileno(), stream.fileno())
    os.chdir(subject.where(folder))
    raise SystemExit(unidad(subject.command(folder)[len(UNIDAD) :]))


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to it and to all that it has started: a launcher's are in sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        for one in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def flip(path: Path, draw: random.Random) -> str:
    """Flip one bit of a file; tells which."""
    data = bytearray(path.read_bytes())
    place, bit = draw.randrange(len(data)), draw.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f" (bit {bit} of byte {place} of {path.name})"


if __name__ == "__main__":
    main()

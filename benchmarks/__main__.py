"""Runs every benchmark and writes the table: ``python -m benchmarks --out results/benchmarks``."""

from __future__ import annotations

import argparse
import csv
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from importlib import import_module, metadata
from pathlib import Path

import torch

from benchmarks.intra_lpips import counted
from benchmarks.runner import Result, machine, measure
from unidad.files import atomic_file
from unidad.provenance import commit

SUBJECTS = ("training_iteration", "sampling", "intra_lpips", "frechet_distance")
LIBRARIES = ("torch", "diffusers", "lpips", "clean-fid", "scipy", "numpy")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the subjects, show each result, write ``benchmarks.csv`` and ``benchmarks.md``."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=SUBJECTS)
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs that count")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="folder")
    options = parser.parse_args(arguments)
    results = []
    for subject in options.only:
        for comparison in import_module(f"benchmarks.{subject}").comparisons():
            results.append(measure(comparison, options.repeats))
            print(_row(results[-1]), flush=True)
        if subject == "intra_lpips":
            results.append(counted())
    write(results, options.out, options.repeats)


def write(results: Sequence[Result], folder: Path, repeats: int) -> None:
    """Write the results with the machine and the versions that they belong to."""
    with (
        atomic_file(folder / "benchmarks.csv") as partial,
        open(partial, "w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, [column.name for column in fields(Result)])
        table.writeheader()
        table.writerows(map(asdict, results))
    with atomic_file(folder / "benchmarks.md") as partial:
        partial.write_text("\n".join(_page(results, repeats)) + "\n", encoding="utf-8")


def _page(results: Iterable[Result], repeats: int) -> list[str]:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    clock = "seconds of the " + ("clock" if torch.cuda.is_available() else "processor")
    return [
        "# Benchmarks",
        "",
        "`python -m benchmarks`; how to read it: docs/benchmarks.md.",
        "",
        f"- machine: {machine()}",
        f"- commit: {commit()}",
        f"- Python {platform.python_version()}, {versions}",
        f"- {clock}; {repeats} repeats, ours and the reference in turns",
        "",
        "| subject | problem | ours, s | reference, s | ratio | of the repeats | in networks "
        "| passes: ours | encoder alone | reference |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *map(_row, results),
    ]


def _row(result: Result) -> str:
    counts = (result.passes, result.encoder_passes, result.reference_passes)
    passes = [str(count or "–") for count in counts]
    if result.seconds is None:
        times = ["too large to run", "", "", "", ""]
    else:
        share = result.network_share
        times = [
            f"{result.seconds:.2f}",
            f"{result.reference_seconds:.2f}",
            f"**{result.ratio:.2f}**",
            f"{result.smallest_ratio:.2f} to {result.largest_ratio:.2f}",
            "–" if share is None else f"{share:.0%}",
        ]
    return f"| {' | '.join([result.subject, result.problem, *times, *passes])} |"


if __name__ == "__main__":
    main()

"""How soon each route and option is good enough: core-minutes until a distance without copies.

    snakemake --cores 1 --configfile configs/speed.yaml
    python -m benchmarks.time_to_quality results/speed --distance 6

reads the snapshots of an experiment that has been run. All rows of one experiment are trained on
the same machine; with ``--cores 1`` none of them shares the processor with another.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.runner import machine
from unidad.metrics.trajectory import COPIES
from unidad.provenance import commit
from unidad.report.comparison import load_metrics, trajectories
from unidad.tasks.plots import MINUTES


def main(arguments: Sequence[str] | None = None) -> None:
    """Show, for every variant and target, the first snapshot that is good enough."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.time_to_quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="of an experiment: results/<name>")
    parser.add_argument("--distance", type=float, required=True, help="Frechet distance to reach")
    parser.add_argument("--against", help="variant whose minutes the others' are compared with")
    options = parser.parse_args(arguments)
    files = sorted((options.folder / "metrics").rglob("*.json"))
    metrics = load_metrics(files)
    order = list(json.loads((options.folder / "specs/config.json").read_text())["variants"])
    found = minutes_to(metrics, options.distance, order)
    print(page(found, options.distance, options.against), flush=True)


def minutes_to(metrics: Sequence[dict], distance: float, order: Sequence[str]) -> pd.DataFrame:
    """The first point of each curve that is near enough and copies no more than COPIES.

    Args:
        metrics: contents of metrics files.
        distance: Frechet distance.
        order: variants as the configuration lists them.

    Returns:
        Columns target, variant, minutes (training of all stages), updates, distance, copies; all
        but the first two are null for a variant that gets nowhere near. Means over seeds.
    """
    near = trajectories(metrics, "frechet_distance", order, MINUTES)
    copies = trajectories(metrics, "memorisation", order, MINUTES)
    keys = ["target", "shots", "variant", "updates"]
    both = near.merge(copies[[*keys, "mean_y"]].rename(columns={"mean_y": "copies"}), on=keys)
    both = both.rename(columns={"mean_x": "minutes", "mean_y": "distance"})
    good = both[(both["distance"] <= distance) & (both["copies"] <= COPIES)]
    first = good.groupby(["target", "variant"], sort=False).first().reset_index()
    all_rows = both[["target", "variant"]].drop_duplicates()
    return all_rows.merge(
        first[["target", "variant", "minutes", "updates", "distance", "copies"]], how="left"
    )


def page(found: pd.DataFrame, distance: float, against: str | None = None) -> str:
    """A table in Markdown; with a variant to compare with, how many times sooner the others are."""
    lines = [
        f"Training minutes, all stages, until FD ≤ {distance:g} with copies ≤ {COPIES:.0%}",
        "",
        f"- machine: {machine()}",
        f"- commit: {commit()}",
        "",
        "| target | variant | minutes | updates | FD | copies |" + (" sooner |" if against else ""),
        "|---|---|---:|---:|---:|---:|" + ("---:|" if against else ""),
    ]
    reference = found[found["variant"] == against].set_index("target")["minutes"]
    for row in found.itertuples():
        reached = not pd.isna(row.minutes)
        cells = ["not reached", "", "", ""]
        if reached:
            cells = [f"{row.minutes:.1f}", f"{row.updates:.0f}", f"{row.distance:.2f}"]
            cells.append(f"{row.copies:.3f}")
        if against:
            base = reference.get(row.target)
            known = reached and base is not None and not pd.isna(base)
            cells.append(f"{base / row.minutes:.1f}×" if known else "–")
        lines.append(f"| {row.target} | {row.variant} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

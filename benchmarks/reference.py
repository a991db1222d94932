"""Does a committed table still come out? Its cheapest trained row is made anew and compared.

    make reference
    make reference CONFIG=configs/sdp.yaml TABLE=results/reference/sdp/tables/all.csv

runs the workflow for that row alone (everything below the experiment's own folder that is there
already is used) and compares its metrics with the table's. On another processor roundings differ,
and training makes them grow: within the tolerance a row is the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unidad.experiment.load import load_config
from unidad.files import read_json
from unidad.metrics.registry import METRICS
from unidad.plan import Plan
from unidad.report.comparison import RUN_KEYS

TOLERANCE = 0.2
"""Of a value, relative; of shares between 0 and 1, a quarter of it and absolute."""
COMPARED = (
    "frechet_distance",
    "intra_lpips",
    "domain_share",
    "clip_i",
    "clip_t",
    "instance_similarity",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the row, show both sides, end with 1 if they differ."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="config.yaml", help="of the experiment")
    parser.add_argument(
        "--table", type=Path, default=Path("results/reference/tables/all.csv"), help="committed"
    )
    parser.add_argument("--cores", default="all", help="that the workflow may use")
    options = parser.parse_args(arguments)
    table = pd.read_csv(options.table)
    path, expected = cheapest(table, Plan(load_config(options.config)))
    print(f"cheapest trained row: {path}", flush=True)
    workflow = ["snakemake", path, "--cores", options.cores, "--configfile", options.config]
    subprocess.run(workflow, check=True)
    found = read_json(Path(path), "")["metrics"]
    rows = differences(found, expected)
    for name, was, now, fits in rows:
        print(f"{name:24} table {was:9.4f}   now {now:9.4f}   {'' if fits else 'DIFFERS'}")
    if not all(fits for *_, fits in rows):
        sys.exit(1)


def cheapest(table: pd.DataFrame, plan: Plan) -> tuple[str, pd.Series]:
    """The trained row of a table that the fewest seconds went into, and its metrics file.

    Args:
        table: of `all.csv`.
        plan: of the experiment whose table it is.

    Raises:
        SystemExit: the experiment has no such row.
    """
    rows = table[table["method"].notna()].sort_values("training_seconds_total", kind="stable")
    files = {_key(plan.row_spec(row)["run"]): row.metrics for row in plan.rows()}
    for _, row in rows.iterrows():
        if _key(row) in files:
            return f"{plan.root}/{files[_key(row)]}", row
    sys.exit(f"{plan.root}: the experiment has none of the table's trained rows")


def differences(found: dict, expected: pd.Series) -> list[tuple[str, float, float, bool]]:
    """Name, the table's value, today's, and whether they agree, for what both have measured."""
    rows = []
    for name in (name for name in METRICS if name in COMPARED):
        was, now = expected.get(name), found.get(name)
        if now is not None and was is not None and not pd.isna(was):
            share = name not in ("frechet_distance", "intra_lpips")
            allowed = TOLERANCE / 4 if share else TOLERANCE * abs(was)
            rows.append((name, float(was), float(now), abs(now - was) <= allowed))
    return rows


def _key(run: dict | pd.Series) -> tuple:
    """What a row is, alike from a specification and from a table, where numbers are floats."""
    values = [run[name] for name in RUN_KEYS]
    return tuple(None if pd.isna(value) else str(value).removesuffix(".0") for value in values)


if __name__ == "__main__":
    main()

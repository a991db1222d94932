"""The verb that shows what an experiment consists of."""

from __future__ import annotations

import argparse
from pathlib import Path

from unidad.cli.common import Verbs, add_verb


def add_verbs(verbs: Verbs) -> None:
    """Add the verb."""
    _add_plan(verbs)


def _add_plan(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "plan",
        _plan,
        "show an experiment's training runs and table rows, and write their specifications",
        "plan --config configs/full.yaml --write",
    )
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="YAML file")
    parser.add_argument("--write", action="store_true", help="write the run specifications")
    parser.add_argument("--root", action="store_true", help="print only where results go")


def _plan(options: argparse.Namespace) -> None:
    from unidad.config import load_config
    from unidad.plan_subjects import make_plan

    plan = make_plan(load_config(options.config))
    if options.root:
        print(plan.root)
        return
    runs = plan.runs()
    print(f"{len(runs)} training runs, {len(plan.rows())} measured rows, under {plan.root}/")
    for run in runs:
        needs = ", ".join(sorted({needed.label for needed in plan.dependencies(run).values()}))
        spec = plan.spec(run)
        updates = spec.variant.training.student_updates
        print(
            f"  {run.key}: {spec.variant.method}, {updates} student updates"
            + (f", after {needs}" if needs else "")
        )
    if options.write:
        print(f"{len(plan.write_specs())} specifications written or changed")

"""Verbs that tell what an experiment consists of, what it costs, and what it still needs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from unidad.cli.common import Verbs, add_verb

if TYPE_CHECKING:
    from unidad.plan import Plan

RATES = Path("benchmarks/rates.csv")


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_plan(verbs)
    _add_doctor(verbs)
    _add_watch(verbs)


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
    parser.add_argument(
        "--summary", action="store_true", help="tell GPU hours and disk space, not every run"
    )
    parser.add_argument(
        "--rates",
        type=Path,
        default=RATES,
        help=f"CSV of rates measured elsewhere (default {RATES})",
    )


def _plan(options: argparse.Namespace) -> None:
    from unidad.experiment.load import load_config
    from unidad.plan import Plan

    plan = Plan(load_config(options.config))
    if options.root:
        print(plan.root)
        return
    print(f"{len(plan.runs())} training runs, {len(plan.rows())} measured rows, under {plan.root}/")
    for line in _tables(plan):
        print(line)
    if options.summary:
        _summarise(plan, options.rates)
    else:
        _list_runs(plan)
    if options.write:
        print(f"{len(plan.write_specs())} specifications written or changed")


def _tables(plan: Plan) -> Iterator[str]:
    """What each table of the configuration will show, and which variants none does."""
    config = plan.config
    if config.protocol is not None:
        yield f"protocol: {config.protocol}; what it sets is in docs/paper.md"
    if not config.tables:
        return
    from unidad.report.views import published_cells  # pandas is slow to import

    for name, view in config.tables.items():
        found = len(published_cells(view, config))
        beside = f", beside {found} published numbers" if found else ""
        yield f"{name}: {view.heading}, {len(view.shown)} rows{beside}"
    unused = {*config.variants} - {run.label for run in plan.runs()}
    if unused:
        yield f"in no table, and not trained: {', '.join(sorted(unused))}"


def _summarise(plan: Plan, rates: Path) -> None:
    from unidad.estimate import describe, estimate
    from unidad.rates import known_rates

    for line in describe(estimate(plan, known_rates(plan, rates)), rates):
        print(line)


def _list_runs(plan: Plan) -> None:
    for run in plan.runs():
        needs = ", ".join(sorted({needed.label for needed in plan.dependencies(run).values()}))
        spec = plan.spec(run)
        updates = spec.variant.training.student_updates
        print(
            f"  {run.key}: {spec.variant.method}, {updates} student updates"
            + (f", after {needs}" if needs else "")
        )


def _add_doctor(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "doctor",
        _doctor,
        "check environment, GPU, disk, weights, data and configuration; status 1 if one is missing",
        "doctor --config configs/paper_fsig.yaml",
    )
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="YAML file")


def _doctor(options: argparse.Namespace) -> int:
    from unidad.doctor import MISSING, examine

    findings = examine(options.config)
    for finding in findings:
        print(finding)
    return int(any(finding.state == MISSING for finding in findings))


def _add_watch(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "watch",
        _watch,
        "show which trainings of an experiment are done, running or waiting, and how they go",
        "watch results/default",
    )
    parser.add_argument("folder", type=Path, help="results/<experiment>")
    parser.add_argument("--once", action="store_true", help="print and end")


def _watch(options: argparse.Namespace) -> None:
    from unidad.watch import watch

    watch(options.folder, options.once)

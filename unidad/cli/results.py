"""Verbs for what goes out: the report, an exported model, the schema of the configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from unidad.cli.common import Verbs, add_verb, command_line
from unidad.errors import UserError


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_report(verbs)
    _add_page(verbs)
    _add_export(verbs)
    _add_unlock(verbs)
    _add_schema(verbs)


def _add_report(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "report",
        _report,
        "write an experiment's tables, plots and image grids from its measured rows",
        "report --config results/default/specs/config.json",
    )
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="YAML or JSON")


def _report(options: argparse.Namespace) -> None:
    from unidad.experiment.load import load_config
    from unidad.plan import Plan
    from unidad.report.experiment import report_experiment

    plan = Plan(load_config(options.config))
    report_experiment(plan)
    print(f"{plan.root}: tables/, plots/, grids/")


def _add_page(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "page",
        _page,
        "write an experiment's index.html: answer, table, images to choose, how all was made",
        "page --config results/default/specs/config.json",
    )
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="YAML or JSON")


def _page(options: argparse.Namespace) -> None:
    from unidad.experiment.load import load_config
    from unidad.plan import Plan
    from unidad.report.page.write import write_page

    print(write_page(Plan(load_config(options.config))))


def _add_unlock(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "unlock",
        _unlock,
        "take Snakemake's lock away that a killed one left; nothing, if it or a job still works",
        "unlock",
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="where Snakemake ran; default: here"
    )


def _unlock(options: argparse.Namespace) -> None:
    from unidad.locks import unlock

    if unlock(options.folder):
        print(f"{options.folder.resolve()}: unlocked; the Snakemake that held it was killed")


def _add_export(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "export",
        _export,
        "export a trained model for use elsewhere: bfloat16 or float32, with a model card",
        "export results/default/runs/babies/shots10/uni-dad/seed0 --out my-student",
    )
    parser.add_argument("run", type=Path, help="a run's folder (with model/ and training.json)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="of the weights; float32 draws the evaluation's very images",
    )


def _export(options: argparse.Namespace) -> None:
    from unidad.models.export import export_run

    export_run(options.run, options.out, options.dtype, command_line())


def _add_schema(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "schema",
        _schema,
        "print the JSON schema of the configuration, or a page about its keys",
        "schema > workflow/schemas/config.schema.json",
    )
    parser.add_argument("--markdown", action="store_true", help="all keys as a page instead")
    parser.add_argument("--check", type=Path, help="compare with this file instead")


def _schema(options: argparse.Namespace) -> None:
    from unidad.experiment.reference import reference
    from unidad.experiment.schema import schema

    text = reference() if options.markdown else schema()
    if options.check is None:
        print(text, end="")
    elif options.check.read_text() != text:
        how = "schema --markdown" if options.markdown else "schema"
        raise UserError(
            f"{options.check}: out of step with unidad/experiment/config.py; "
            f"mend it with `unidad {how} > {options.check}`"
        )

"""How each number and image was made: commands, commit, machine."""

from __future__ import annotations

import shlex
from pathlib import Path

from unidad.files import read_json
from unidad.plan import Plan
from unidad.tasks.rows import Row, Run

REMEDY = "train first"
UNKNOWN = "not recorded"


def origin(plan: Plan, row: Row, content: dict) -> dict:
    """Of a measured row.

    Args:
        plan: of the experiment.
        row: of the table, or at another NFE.
        content: of its metrics file.

    Returns:
        ``facts``: pairs of a name and a text; ``commands``: pairs of what is done and its call, in
        order, from the trainings that the row builds on.

    Raises:
        UserError: a run's summary is missing.
    """
    runs = plan.lineage(row.run)[::-1] if row.run else []
    facts = [
        ("samples", f"{content['samples']} images, {plan.root}/{row.images}"),
        ("measured with", content["extractor"]),
        ("metrics file", f"{plan.root}/{row.metrics}"),
        ("measured by", _made(content)),
    ]
    commands = []
    for run in runs:
        summary = read_json(Path(f"{plan.root}/runs/{run.key}/training.json"), REMEDY)
        facts.append((f"training of {run.label}", _training(summary)))
        commands.append((f"train {run.label}", _train(plan, run)))
    if _model(plan, row):
        commands.append(("draw", _sample(plan, row)))
    spec = f"{plan.root}/specs/{row.metrics}"
    out = f"{plan.root}/{row.metrics}"
    commands.append(("measure", _call("evaluate", spec, "--out", out)))
    return {"facts": facts, "commands": commands}


def redrawing(plan: Plan, row: Row, updates: int | None = None) -> str | None:
    """The call that draws one image again; INDEX stands for its number. None of real images.

    Args:
        plan: of the experiment.
        row: the image's.
        updates: of the snapshot that drew it; None: the last model.
    """
    model = _model(plan, row)
    if updates is not None:
        model = f"{plan.root}/runs/{plan.followed_run(row)}/snapshots/{updates:06d}"
    if model is None:
        return None
    how = ("--nfe", str(row.nfe), "--settings", plan.task.drawing_spec(row.images))
    which = ("--index", "INDEX", "--out", "image.npz", "--grid", "image.png")
    return _call("sample", model, *how, *which)


def _model(plan: Plan, row: Row) -> str | None:
    """The folder that drew a row's images."""
    if row.run:
        return plan.model(row.run)
    if not row.images.startswith("samples/"):
        return None
    return plan.source_model(Path(row.images).parent.name.replace("-", "_"))


def _sample(plan: Plan, row: Row) -> str:
    how = ("--nfe", str(row.nfe), "--settings", plan.task.drawing_spec(row.images))
    return _call("sample", _model(plan, row), *how, "--out", f"{plan.root}/{row.images}")


def _train(plan: Plan, run: Run) -> str:
    specs = f"{plan.root}/specs"
    watching = ("--watching", f"{specs}/watching/{run.key}.json")
    folder = f"{plan.root}/runs/{run.key}"
    return _call("train", f"{specs}/runs/{run.key}.json", *watching, "--out", folder)


def _call(*words: str) -> str:
    return shlex.join(["unidad", *words])


def _made(summary: dict) -> str:
    commit, machine = (summary.get(key, UNKNOWN) for key in ("commit", "machine"))
    return f"commit {commit}; machine: {machine}"


def _training(summary: dict) -> str:
    updates = ", ".join(f"{count} of {group}" for group, count in summary["updates"].items())
    took = f"{summary['seconds'] / 60:.1f} minutes, peak memory {summary['peak_memory_mb']:.0f} MB"
    return f"{_made(summary)}; updates: {updates}; batch {summary['batch_size']}; {took}"

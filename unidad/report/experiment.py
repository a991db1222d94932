"""The report of a planned experiment: which files of its runs go into it."""

from __future__ import annotations

from pathlib import Path

from unidad.config.names import TRAINING_LABEL
from unidad.plan import Plan
from unidad.report.render import RunFile, write_report


def report_experiment(plan: Plan) -> None:
    """Write tables, plots and grids of an experiment whose rows have all been measured.

    Raises:
        UserError: a file is missing; the message names the verb that makes it.
    """
    root = Path(plan.root)
    rows = plan.rows()
    first_seed = plan.config.seeds[0]
    shown = [
        RunFile(row.target, row.shots, row.label, root / row.images, row.nfe, root / row.metrics)
        for row in rows
        if (row.run is None and row.label != TRAINING_LABEL)
        or (
            row.run is not None
            and row.run.seed == first_seed
            and row.nfe == plan.config.variants[row.label].nfe
        )
    ]
    logs = [
        RunFile(run.target, run.shots, run.label, root / "runs" / run.key / "training.csv")
        for run in plan.runs()
    ]
    write_report(
        metrics_files=[root / row.metrics for row in rows],
        training_logs=logs,
        samples=shown,
        training_sets={block: plan.training_images(*block) for block in plan.table_targets()},
        out_dir=root,
        task=type(plan.task),
        order=list(plan.config.variants),
        prompts=plan.task.shown_prompts(),
        views=plan.config.tables,
    )

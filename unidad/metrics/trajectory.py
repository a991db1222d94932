"""Quality on the way: the snapshots of a run, sampled and measured as its last model is."""

from __future__ import annotations

from pathlib import Path

from unidad.errors import UserError
from unidad.metrics.evaluate import evaluate
from unidad.metrics.row_spec import evaluation_arguments, missing_keys_named
from unidad.sampling import load_pipeline, sample


def measure_trajectory(
    spec: dict, samples: int, seed: int, batch_size: int, progress: bool = True
) -> list[dict]:
    """Measure every snapshot of a row's run.

    Args:
        spec: of the row, see `Plan.row_spec`; ``snapshots`` is the run's folder of them.
        samples: images drawn with each, as for the row itself.
        seed: of their noise, likewise.
        batch_size: images at once.
        progress: show progress bars.

    Returns:
        For each snapshot, in order: ``updates`` (of the student) and ``metrics`` (see `evaluate`).

    Raises:
        UserError: a key or a file is missing, or a file is not what it should be.
    """
    with missing_keys_named():
        folder, nfe = Path(spec["snapshots"]), spec["run"]["nfe"]
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of snapshots; train the run first")
        arguments = evaluation_arguments(spec)
    measured = []
    for snapshot in sorted(path for path in folder.iterdir() if path.name.isdecimal()):
        pipeline = load_pipeline(snapshot)
        images, _ = sample(pipeline, samples, seed, nfe, batch_size, progress)
        metrics = evaluate(images, progress=progress, **arguments)
        measured.append({"updates": int(snapshot.name), "metrics": metrics})
    return measured

"""One measured row: from its specification (`Plan.row_spec`) to metrics and cost."""

from __future__ import annotations

from pathlib import Path

from unidad.data.image_set import ImageSet
from unidad.features.features import Features
from unidad.files import read_json
from unidad.metrics.evaluate import evaluate
from unidad.metrics.row_spec import evaluation_arguments, missing_keys_named

REMEDY = "sample and train first"


def evaluate_row(spec: dict, progress: bool = True) -> dict:
    """Measure a row.

    Args:
        spec: ``run`` (what it is), ``domain``, ``network``, paths of images and features, of the
            sampling's cost, and of the training summaries: the run's own, then those it builds on.
        progress: show a progress bar.

    Returns:
        ``run``, ``samples``, ``extractor``, ``metrics`` (see `evaluate`, and
        ``best_frechet_distance`` over the run's snapshots), ``cost`` and ``trajectory``.

    Raises:
        UserError: a key or a file is missing, or a file is not what it should be.
    """
    with missing_keys_named():
        samples = ImageSet.load(spec["images"])
        arguments = evaluation_arguments(spec)
        features = Features.load(spec["features"])
        metrics = evaluate(samples, sample_features=features, progress=progress, **arguments)
        cost = row_cost(spec["run"]["nfe"], spec["sampling"], spec["training"])
        trajectory = _read_trajectory(spec["trajectory"])
    best = best_frechet_distance(trajectory, metrics["frechet_distance"])
    return {
        "run": spec["run"],
        "samples": len(samples),
        "extractor": arguments["extractor"].name,
        "metrics": metrics | {"best_frechet_distance": best},
        "cost": cost,
        "trajectory": trajectory,
    }


def best_frechet_distance(trajectory: list[dict], last: float | None) -> float | None:
    """The smallest Fréchet distance of snapshots and last model; None if there is no choice.

    It is chosen on the very images it is measured against, so it flatters: published numbers are
    often chosen so (SPEC section 5), which is why it stands beside the last model's.
    """
    known = [snapshot["metrics"]["frechet_distance"] for snapshot in trajectory]
    values = [value for value in known if value is not None]
    return min([*values, last]) if values and last is not None else None


def _read_trajectory(path: str | None) -> list[dict]:
    return read_json(Path(path), REMEDY)["snapshots"] if path else []


def row_cost(nfe: int | None, sampling: str | None, training: list[str]) -> dict:
    """What a row cost: its sampling, its own training, and with all that it builds on."""
    cost = {"nfe": nfe, "gflops_per_image": None, "images_per_second": None}
    cost |= read_json(Path(sampling), REMEDY) if sampling else {}
    summaries = [read_json(Path(path), REMEDY) for path in training]
    own = summaries[0] if summaries else {}
    return cost | {
        "training_seconds": own.get("seconds"),
        "training_seconds_total": sum(s["seconds"] for s in summaries) if summaries else None,
        "peak_memory_mb": own.get("peak_memory_mb"),
        "student_updates": own.get("updates", {}).get("student"),
    }

"""Quality on the way: the snapshots of a run, sampled and measured as its last model is."""

from __future__ import annotations

from pathlib import Path

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.metrics.evaluate import evaluate
from unidad.metrics.features import Features
from unidad.metrics.perceptual import ClusterRules
from unidad.metrics.published import load_extractor
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
        UserError: a file is missing or not what it should be.
    """
    folder = Path(spec["snapshots"])
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of snapshots; train the run first")
    extractor = load_extractor(spec["network"])
    training = ImageSet.load(spec["training_images"])
    known = Features.load(spec["training_features"])
    path = spec["reference_features"]
    reference = Features.load(path) if path else None
    measured = []
    for snapshot in sorted(path for path in folder.iterdir() if path.name.isdecimal()):
        pipeline = load_pipeline(snapshot)
        images, _ = sample(pipeline, samples, seed, spec["run"]["nfe"], batch_size, progress)
        metrics = evaluate(
            images,
            training,
            extractor,
            training_features=known,
            reference_features=reference,
            domain=spec["domain"],
            rules=ClusterRules(**spec["intra_lpips"]),
            progress=progress,
        )
        measured.append({"updates": int(snapshot.name), "metrics": metrics})
    return measured


def best_frechet_distance(trajectory: list[dict], last: float | None) -> float | None:
    """The smallest Fréchet distance of snapshots and last model; None if there is no choice.

    It is chosen on the very images it is measured against, so it flatters: published numbers are
    often chosen so (SPEC section 5), which is why it stands beside the last model's.
    """
    known = [snapshot["metrics"]["frechet_distance"] for snapshot in trajectory]
    values = [value for value in known if value is not None]
    return min([*values, last]) if values and last is not None else None

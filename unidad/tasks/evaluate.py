"""One measured row, of either task: from its specification to metrics and cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.extractors import load_extractor
from unidad.features.features import Features
from unidad.files import read_json
from unidad.metrics.registry import measurable, measure
from unidad.tasks.evidence import Evidence
from unidad.tasks.generation_evidence import GenerationEvidence
from unidad.tasks.personalisation_evidence import PersonalisationEvidence
from unidad.tasks.shown import NEIGHBOURS, shown_samples

REMEDY = "sample and train first"
SHOWN_COPIES = 10
EVIDENCE: dict[str, type[Evidence]] = {
    "generation": GenerationEvidence,
    "personalisation": PersonalisationEvidence,
}


def evaluate_row(spec: dict, progress: bool = True) -> dict:
    """Measure a row.

    Args:
        spec: see `Plan.row_spec`: ``task``, ``run`` (what it is), ``networks`` to measure with (of
            several, LPIPS is measured in the last), paths of images and features, of the
            sampling's cost, of the snapshots' metrics, and of the training summaries: the run's
            own, then those it builds on; and what the task's evidence needs.
        progress: show a progress bar.

    Returns:
        ``run``, ``samples``, ``extractor`` (what tables call the networks), ``metrics`` (all that
        the evidence allows, null where one cannot be measured), ``nearest`` (the samples that are
        nearest to a training image), ``shown`` (those that a page shows, and the training images
        nearest to each), ``cost`` and ``trajectory``.

    Raises:
        UserError: a key or a file is missing, or a file is not what it should be.
    """
    with missing_keys_named():
        trajectory = _read_trajectory(spec["trajectory"])
        found = evidence_class(spec)(
            spec,
            load_extractor(spec["networks"][-1]),
            ImageSet.load(spec["images"]),
            Features.load(spec["features"]),
            snapshots=trajectory,
            progress=progress,
        )
        return {
            "run": spec["run"],
            "samples": len(found.samples),
            "extractor": found.measured_with,
            "metrics": measure(measurable(type(found)), found),
            "nearest": found.nearest_copies(SHOWN_COPIES),
            "shown": found.neighbours(shown_samples(found.samples), NEIGHBOURS),
            "cost": row_cost(spec["run"]["nfe"], spec["sampling"], spec["training"]),
            "trajectory": trajectory,
        }


def evidence_class(spec: dict) -> type[Evidence]:
    """What the row's task goes on.

    Raises:
        UserError: an unknown task.
    """
    if spec["task"] not in EVIDENCE:
        raise UserError(f"row specification: task {spec['task']!r} is unknown")
    return EVIDENCE[spec["task"]]


@contextmanager
def missing_keys_named() -> Iterator[None]:
    """Turn the KeyError of a specification into the user's error."""
    try:
        yield
    except KeyError as error:
        raise UserError(
            f"row specification: key {error} is missing; `unidad plan` writes it"
        ) from None


def _read_trajectory(path: str | None) -> list[dict]:
    return read_json(Path(path), REMEDY)["snapshots"] if path else []


def row_cost(nfe: int | None, sampling: str | None, training: list[str]) -> dict:
    """What a row cost: its sampling, its own training, and with all that it builds on."""
    cost = {"nfe": nfe, "gflops_per_image": None, "images_per_second": None}
    measured = read_json(Path(sampling), REMEDY) if sampling else {}
    cost |= {name: measured[name] for name in cost if name in measured}
    summaries = [read_json(Path(path), REMEDY) for path in training]
    own = summaries[0] if summaries else {}
    return cost | {
        "training_seconds": own.get("seconds"),
        "training_seconds_total": sum(s["seconds"] for s in summaries) if summaries else None,
        "peak_memory_mb": own.get("peak_memory_mb"),
        "student_updates": own.get("updates", {}).get("student"),
    }

"""One measured row of personalisation: from its specification to metrics and cost."""

from __future__ import annotations

from pathlib import Path

from unidad.data.image_set import ImageSet
from unidad.features.protocols import find_encoder, find_protocol
from unidad.features.subject import SubjectFeatures
from unidad.metrics.row import row_cost
from unidad.metrics.row_spec import missing_keys_named
from unidad.metrics.subject.evaluate import drawn_answers, evaluate_subject, photo_answers


def evaluate_subject_row(spec: dict, progress: bool = True) -> dict:
    """Measure a row.

    Args:
        spec: see `SubjectPlan.row_spec`: ``run`` (what it is), paths of images and features,
            ``encoder``, ``protocol``, ``prompts`` with their ``rare_token``, whether they are in
            the ``grammar`` of the synthetic scenes, and the costs as for `evaluate_row`. A row
            whose ``images`` are its ``training_images`` is the control of the photos themselves.
        progress: show a progress bar.

    Returns:
        ``run``, ``samples``, ``extractor`` (the protocol), ``metrics`` (see `evaluate_subject`),
        ``cost`` and ``trajectory`` (empty: snapshots are not measured).

    Raises:
        UserError: a key or a file is missing, or a file is not what it should be.
    """
    with missing_keys_named():
        samples, photos = ImageSet.load(spec["images"]), ImageSet.load(spec["training_images"])
        are_photos = spec["images"] == spec["training_images"]
        token, reference = spec["rare_token"], spec["reference_images"]
        metrics = evaluate_subject(
            samples,
            SubjectFeatures.load(spec["features"]),
            photos,
            SubjectFeatures.load(spec["training_features"]),
            find_encoder(Path(spec["encoder"])),
            photo_answers(len(samples), spec["prompts"], token)
            if are_photos
            else drawn_answers(samples, token),
            ImageSet.load(reference) if reference else None,
            are_photos=are_photos,
            grammar=spec["grammar"],
            clamp=find_protocol(spec["protocol"]).clamp,
            progress=progress,
        )
        cost = row_cost(spec["run"]["nfe"], spec["sampling"], spec["training"])
    return {
        "run": spec["run"],
        "samples": len(samples),
        "extractor": spec["protocol"],
        "metrics": metrics,
        "cost": cost,
        "trajectory": [],
    }

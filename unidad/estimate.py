"""What an experiment will cost: GPU hours from measured rates, and disk space."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from unidad.config.names import SOURCE_TEACHER
from unidad.plan import Plan
from unidad.rates import SAMPLING, Key, Rates
from unidad.shipped import origin_folder
from unidad.tasks.rows import Row

FLOAT = 4
ADAM = 3
"""Copies of a trained network in a checkpoint: weights and AdamW's two moments."""
FEATURE_WIDTHS, OWN_FEATURES = {"published": 2048, "photo": 1280}, 128


@dataclass
class Estimate:
    """Hours and bytes of an experiment from its start to its end.

    Attributes:
        training, drawing: hours, as far as rates are known.
        sources: where rates were measured → whose: ``dmd2``, ``sampling``.
        unknown: what has no rate.
        models: bytes of all models at the end; None where the source teacher is not here.
        checkpoints: bytes while a run trains, the largest one; None likewise.
        images: bytes of image sets before compression, and of features.
    """

    training: float = 0.0
    drawing: float = 0.0
    sources: dict[str, set[str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    models: int | None = None
    checkpoints: int | None = None
    images: int = 0

    @property
    def disk(self) -> int:
        """Bytes that are needed, as far as is known."""
        return self.images + (self.models or 0) + (self.checkpoints or 0)


def estimate(plan: Plan, rates: Rates) -> Estimate:
    """Add up an experiment's training runs and drawn images, each image set once."""
    result = Estimate()
    for run in plan.runs():
        variant = plan.config.variants[run.label]
        training = variant.training
        key = (variant.method, plan.config.resolution, training.batch_size)
        result.training += _hours(training.student_updates, key, rates, result)
        row = Row(run.target, run.shots, run.label, variant.nfe, "", run)
        drawn = training.snapshots * variant.nfe * plan.task.sample_count(row)
        result.drawing += _drawing(plan, drawn, rates, result)
    for row in {row.images: row for row in plan.rows()}.values():
        count = plan.task.sample_count(row)
        result.images += count * _bytes_of_image(plan)
        if row.images.startswith("samples/"):
            result.drawing += _drawing(plan, count * row.nfe, rates, result)
    if plan.config.uses_source_images:
        result.images += plan.config.source.images * 3 * plan.config.resolution**2
    _add_models(plan, result)
    return result


def describe(found: Estimate, table: Path) -> list[str]:
    """The estimate in lines.

    Args:
        found: by `estimate`.
        table: the file of rates, for what is missing there.
    """
    hours = found.training + found.drawing
    missing = (
        f"no rate of {', '.join(sorted(found.unknown))} at this size, neither in {table} nor from "
        "a finished run"
    )
    if not found.unknown:
        time = f"about {hours:.1f}: training {found.training:.1f}, drawing {found.drawing:.1f}"
    elif hours:
        time = f"at least {hours:.1f}; {missing}"
    else:
        time = f"unknown; {missing}"
    return [f"GPU hours: {time}", *_whence(found.sources), f"disk: {_space(found)}"]


def _whence(sources: dict[str, set[str]]) -> list[str]:
    """One line on where the rates come from; none where there are none."""
    named = [f"{', '.join(sorted(whose))} from {source}" for source, whose in sources.items()]
    return [f"rates: {'; '.join(sorted(named))}"] if named else []


def _space(found: Estimate) -> str:
    images = f"images and features {_gigabytes(found.images)}"
    if found.models is None:
        return f"{images}, models unknown: the source teacher is not here"
    models, checkpoints = _gigabytes(found.models), _gigabytes(found.checkpoints)
    return f"{images}, models {models}, and {checkpoints} while a run trains"


def model_bytes(origin: Path) -> int | None:
    """Bytes of a model's weights as float32: of a checkpoint, or of all in a folder.

    None where there are none, or none that can be read.
    """
    files = sorted(origin.rglob("*.safetensors")) if origin.is_dir() else [origin]
    try:
        return sum(map(_file_bytes, files)) or None
    except (OSError, SafetensorError):
        return None


def _file_bytes(path: Path) -> int:
    if path.suffix != ".safetensors":
        return path.stat().st_size
    with safe_open(path, "np") as weights:
        shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
    return FLOAT * sum(map(math.prod, shapes))


def _add_models(plan: Plan, result: Estimate) -> None:
    source = plan.task.placed().get(SOURCE_TEACHER)
    one = model_bytes(origin_folder(source["origin"])) if source else None
    if one is None:
        return
    variants = [plan.config.variants[run.label] for run in plan.runs()]
    kept = 1 + sum(1 + variant.training.snapshots for variant in variants)
    result.models = kept * one
    result.checkpoints = max(
        2 * one * (ADAM * variant.trained_networks + (variant.training.ema_decay > 0))
        for variant in variants
    )


def _hours(count: int, key: Key, rates: Rates, result: Estimate) -> float:
    """Hours of so many updates or evaluations; notes where the rate comes from, or its absence."""
    if key not in rates:
        result.unknown.add(key[0])
        return 0.0
    result.sources.setdefault(rates[key].source, set()).add(key[0])
    return count * rates[key].seconds / 3600


def _drawing(plan: Plan, evaluations: int, rates: Rates, result: Estimate) -> float:
    if not evaluations:
        return 0.0
    key = (SAMPLING, plan.config.resolution, plan.config.evaluation.batch_size)
    return _hours(evaluations, key, rates, result)


def _bytes_of_image(plan: Plan) -> int:
    width = FEATURE_WIDTHS.get(plan.config.feature_network, OWN_FEATURES)
    return 3 * plan.config.resolution**2 + FLOAT * width


def _gigabytes(count: int | None) -> str:
    return f"{(count or 0) / 1e9:.1f} GB"

"""What an experiment will cost: GPU hours from measured rates, and disk space."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from unidad.config import AnyVariant, UnidadVariant
from unidad.errors import UserError
from unidad.plan import Plan, Row

SAMPLING = "sampling"
COLUMNS = ("method", "resolution", "batch_size", "seconds", "device")
FLOAT = 4
ADAM = 3
"""Copies of a trained network in a checkpoint: weights and AdamW's two moments."""
PUBLISHED_FEATURES, OWN_FEATURES = 2048, 128

Rates = dict[tuple[str, int, int], float]


@dataclass
class Estimate:
    """Hours and bytes of an experiment from its start to its end.

    Attributes:
        training, drawing: hours, as far as rates are known.
        unknown: what has no rate: ``dmd2``, ``sampling``.
        models: bytes of all models at the end; None where the source teacher is not here.
        checkpoints: bytes while a run trains, the largest one; None likewise.
        images: bytes of image sets before compression, and of features.
    """

    training: float = 0.0
    drawing: float = 0.0
    unknown: set[str] = field(default_factory=set)
    models: int | None = None
    checkpoints: int | None = None
    images: int = 0

    @property
    def disk(self) -> int:
        """Bytes that are needed, as far as is known."""
        return self.images + (self.models or 0) + (self.checkpoints or 0)


def read_rates(path: Path) -> Rates:
    """Measured rates: (method, resolution, batch size) → seconds.

    A CSV file with the columns method, resolution, batch_size, seconds and device. Seconds are
    those of one student update of a method; of ``sampling``, those of one network evaluation of one
    image. No file, no rates.

    Raises:
        UserError: another table, or a value that is no number.
    """
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return {
            (row["method"], int(row["resolution"]), int(row["batch_size"])): float(row["seconds"])
            for row in rows
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a table of rates ({error!r}); its columns are {', '.join(COLUMNS)}"
        ) from None


def estimate(plan: Plan, rates: Rates) -> Estimate:
    """Add up an experiment's training runs and drawn images, each image set once."""
    result = Estimate()
    for run in plan.runs():
        variant = plan.config.variants[run.label]
        training = variant.training
        key = (variant.method, plan.config.resolution, training.batch_size)
        result.training += _hours(training.student_updates, key, rates, result.unknown)
        drawn = training.snapshots * variant.nfe * plan.config.evaluation.samples
        result.drawing += _drawing(plan, drawn, rates, result.unknown)
    for row in {row.images: row for row in plan.rows()}.values():
        count = plan.sample_count(row)
        result.images += count * _bytes_of_image(plan)
        if _is_drawn(row):
            result.drawing += _drawing(plan, count * row.nfe, rates, result.unknown)
    if plan.config.uses_source_images:
        result.images += plan.config.source.images * 3 * plan.config.resolution**2
    _add_models(plan, result)
    return result


def describe(found: Estimate, rates: Path) -> list[str]:
    """The estimate in two lines."""
    hours = found.training + found.drawing
    missing = f"no rate of {', '.join(sorted(found.unknown))} at this size in {rates}"
    if not found.unknown:
        time = f"about {hours:.1f}: training {found.training:.1f}, drawing {found.drawing:.1f}"
    elif hours:
        time = f"at least {hours:.1f}; {missing}"
    else:
        time = f"unknown; {missing}"
    space = f"images and features {_gigabytes(found.images)}"
    if found.models is None:
        space += ", models unknown: the source teacher is not here"
    else:
        space += (
            f", models {_gigabytes(found.models)}, and "
            f"{_gigabytes(found.checkpoints)} while a run trains"
        )
    return [f"GPU hours: {time}", f"disk: {space}"]


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
    count = 0
    with safe_open(path, "np") as weights:
        for name in weights.keys():  # noqa: SIM118, it is no mapping
            size = 1
            for side in weights.get_slice(name).get_shape():
                size *= side
            count += size
    return count * FLOAT


def _add_models(plan: Plan, result: Estimate) -> None:
    from unidad.models import source_teacher_path

    one = model_bytes(source_teacher_path(plan.config))
    if one is None:
        return
    variants = [plan.config.variants[run.label] for run in plan.runs()]
    kept = 1 + sum(1 + variant.training.snapshots for variant in variants)
    result.models = kept * one
    result.checkpoints = max(
        2 * one * (ADAM * _trained(variant) + (variant.training.ema_decay > 0))
        for variant in variants
    )


def _trained(variant: AnyVariant) -> int:
    """Networks that a variant trains: student, fake score, target teacher."""
    if variant.method == "finetune":
        return 1
    online = isinstance(variant, UnidadVariant) and variant.target_teacher == "online"
    return 3 if online else 2


def _hours(count: int, key: tuple[str, int, int], rates: Rates, unknown: set[str]) -> float:
    if key not in rates:
        unknown.add(key[0])
        return 0.0
    return count * rates[key] / 3600


def _drawing(plan: Plan, evaluations: int, rates: Rates, unknown: set[str]) -> float:
    if not evaluations:
        return 0.0
    key = (SAMPLING, plan.config.resolution, plan.config.evaluation.batch_size)
    return _hours(evaluations, key, rates, unknown)


def _is_drawn(row: Row) -> bool:
    return row.images.startswith("samples/")


def _bytes_of_image(plan: Plan) -> int:
    published = plan.config.feature_network == "published"
    width = PUBLISHED_FEATURES if published else OWN_FEATURES
    return 3 * plan.config.resolution**2 + FLOAT * width


def _gigabytes(count: int | None) -> str:
    return f"{(count or 0) / 1e9:.1f} GB"

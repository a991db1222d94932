"""The ordinary configuration that `unidad adapt` writes, and why it says what it says."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unidad.adapt.base import Base
from unidad.adapt.hardware import Machine, savings
from unidad.adapt.nearness import Nearness
from unidad.config.images import Crop
from unidad.config.names import slug
from unidad.config.section import merged
from unidad.errors import UserError
from unidad.estimate import FLOAT, model_bytes

MAIN = "Uni-DAD"
ROUTES = ("FT", "DMD2-FT", "FT-DMD2")
"""The two-stage routes of ``--compare``, and the fine-tuning that they start from."""
SECTIONS = ("diffusion", "training", "distillation", "feature_network", "published_features")
SAMPLES, SAMPLES_ON_GPU, SOURCE_NFE = 256, 1000, 11
PREVIEWS = 4
"""Grids of samples that a training draws on its way."""


@dataclass(frozen=True)
class Wishes:
    """What was typed.

    Attributes:
        photos: folder of the images.
        out: folder to write.
        class_word: what the subject is, for a text-to-image base.
        steps: network evaluations an image; None: 3, of a text-to-image model 1.
        crop: which square of a photo that is none.
        updates: of the student; None: as the shipped experiment has it.
        compare: train the two-stage routes, too.
    """

    photos: Path
    out: Path
    class_word: str | None = None
    steps: int | None = None
    crop: Crop = "centre"
    updates: int | None = None
    compare: bool = False


@dataclass
class Choices:
    """A configuration, and the reasons for it.

    Attributes:
        raw: what the YAML file says.
        reasons: one line each, for its head and for the user.
    """

    raw: dict[str, Any]
    reasons: list[str] = field(default_factory=list)


def choose(
    wishes: Wishes, base: Base, photos: int, nearness: Nearness | None, machine: Machine
) -> Choices:
    """The configuration for so many photos.

    Args:
        wishes: what was typed.
        base: the model that is adapted.
        photos: number of images.
        nearness: what was measured; None where it was not.
        machine: that will train.

    Raises:
        UserError: a number of steps that the model cannot have.
    """
    recipe = base.recipe()
    steps = _steps(wishes, base)
    found = Choices({"experiment": slug(wishes.out.resolve().name) or "adapted"})
    found.raw["resolution"] = base.resolution
    found.raw |= _models(base)
    found.raw["targets"] = {target_name(wishes.photos): _target(wishes, nearness, found.reasons)}
    found.raw |= {"shots": [photos], "seeds": [0]}
    if base.reads_text:
        found.raw["personalisation"] = recipe["personalisation"]
        if not base.shipped:
            for key in ("student_unet", "fake_score_weights"):
                found.raw["personalisation"].pop(key, None)
    found.raw["variants"] = _variants(wishes, base, recipe, steps, found.reasons)
    found.raw |= {name: recipe[name] for name in SECTIONS if name in recipe}
    found.raw["training"] = _training(wishes, base, recipe, machine, found.reasons)
    found.raw["evaluation"] = _evaluation(recipe, base, machine)
    return found


def write(choices: Choices, path: Path, typed: list[str], command: list[str]) -> None:
    """Write the YAML file, with the reasons in its head.

    Args:
        choices: see `choose`.
        path: of the file.
        typed: the command line.
        command: that runs the workflow on it.
    """
    head = [
        f"Written by: {shlex.join(typed)}",
        *choices.reasons,
        "It runs by:",
        shlex.join(command),
    ]
    comment = "\n".join(f"# {line}" for line in head)
    text = yaml.safe_dump(_plain(choices.raw), sort_keys=False, allow_unicode=True, width=100)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{comment}\n{text}")


def target_name(photos: Path) -> str:
    """A target's name for a folder of photos."""
    name = slug(photos.resolve().name)
    return "photos" if name in ("", "source") else name


def _steps(wishes: Wishes, base: Base) -> int:
    if base.reads_text:
        if wishes.steps not in (None, 1):
            raise UserError("--steps: a text-to-image student draws in 1 step")
        return 1
    return 3 if wishes.steps is None else wishes.steps


def _models(base: Base) -> dict[str, str]:
    if base.shipped:
        return {}
    folder = str(base.folder.resolve())
    return {"source_teacher": folder} | ({"source_student": folder} if base.reads_text else {})


def _target(wishes: Wishes, nearness: Nearness | None, reasons: list[str]) -> dict[str, Any]:
    target: dict[str, Any] = {"folder": str(wishes.photos.resolve())}
    if wishes.crop != "centre":
        target["crop"] = wishes.crop
    if wishes.class_word is not None:
        return target | {"class_word": wishes.class_word}
    if nearness is None:
        reasons.append("far: not measured, the base is too slow here; set 'near' if it is known")
        return target | {"near": False}
    reasons.append(str(nearness))
    return target | {"near": nearness.near}


def _variants(
    wishes: Wishes, base: Base, recipe: dict, steps: int, reasons: list[str]
) -> dict[str, Any]:
    rows = recipe["variants"]
    routes = ROUTES if wishes.compare else ()
    if wishes.compare and not base.shipped:
        routes = tuple(label for label in routes if label != "DMD2-FT")
        reasons.append("DMD2-FT is left out: the base has no distilled student")
    chosen = {label: dict(rows[label]) for label in (*routes, MAIN)}
    for label, row in chosen.items():
        if not base.shipped and row.get("student") == "source_student":
            row["student"] = "source_teacher"
        if label == "FT":
            row["extra_nfe"] = []
        else:
            row["nfe"] = steps
        if wishes.updates is not None and "student_updates" in (row.get("training") or {}):
            row["training"] = merged(row["training"], {"student_updates": wishes.updates})
    return chosen


def _training(
    wishes: Wishes, base: Base, recipe: dict, machine: Machine, reasons: list[str]
) -> dict[str, Any]:
    training = dict(recipe["training"])
    updates = wishes.updates or training["student_updates"]
    training["student_updates"] = updates
    for key in ("warmup_updates", "decay_updates"):
        training[key] = min(training.get(key, 0), updates // 4)
    training["sample_every"] = max(1, updates // PREVIEWS)
    training["checkpoint_every"] = min(training.get("checkpoint_every", 50), max(1, updates // 8))
    training["log_every"] = max(1, min(10, updates // 50))
    training["snapshots"] = min(training.get("snapshots", 0), updates - 1)
    if machine.name is None:
        reasons.append("no GPU is seen from here: float32 on the processor")
        return training | {"bf16": False}
    parameters = (model_bytes(base.folder) or 0) // FLOAT
    chosen = savings(parameters, machine.memory)
    kind = "bfloat16" if machine.bf16 else "float32"
    reasons.append(
        f"{machine.name}, {machine.memory / 1e9:.0f} GB, a network of {parameters / 1e6:.0f} M "
        f"parameters: {', '.join([kind, *chosen])}"
    )
    return training | {"bf16": machine.bf16} | dict.fromkeys(chosen, True)


def _evaluation(recipe: dict, base: Base, machine: Machine) -> dict[str, Any]:
    evaluation = dict(recipe.get("evaluation") or {})
    if base.reads_text:
        return evaluation
    samples = SAMPLES if machine.name is None else SAMPLES_ON_GPU
    return evaluation | {"samples": samples, "source_nfe": SOURCE_NFE}


def _plain(value: Any) -> Any:
    """Without the places that keys of a read YAML file know."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

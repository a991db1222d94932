"""What an experiment needs, what of it is here, and how to mend the rest."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
from packaging.requirements import Requirement

from unidad import __version__
from unidad.config.names import SOURCE_TEACHER
from unidad.data.prompts import read_prompts, templates_file
from unidad.errors import UserError, one_line
from unidad.estimate import estimate
from unidad.experiment.load import load_config
from unidad.features.frozen import load_frozen_features
from unidad.features.pretrained import FOLDER, weights_file
from unidad.findings import BY_NAME, MISSING, NOTE, OK, Finding, absent_file, images
from unidad.models.place import open_origin
from unidad.networks.text_to_image_folder import load_text_encoder
from unidad.networks.weights import read_weights
from unidad.plan import Plan
from unidad.shipped import origin_folder

LOCK = Path(__file__).parents[1] / "requirements.lock"
BOUND_TO_GPU = 128
"""Pixels above which training on a processor makes no sense."""


def examine(config_file: Path) -> list[Finding]:
    """Look at everything that an experiment needs, and change nothing.

    Args:
        config_file: its configuration.
    """
    findings = [*_environment(), _gpu()]
    try:
        config = load_config(config_file)
        plan = Plan(config)
        plan.specs()
    except UserError as error:
        lines = str(error).splitlines()
        return findings + [Finding(MISSING, "configuration", line) for line in lines]
    about = f"{len(plan.runs())} training runs, {len(plan.rows())} measured rows"
    findings.append(Finding(OK, "configuration", f"{config_file}: {about}"))
    if config.resolution > BOUND_TO_GPU and not torch.cuda.is_available():
        side = f"{config.resolution}x{config.resolution}"
        findings.append(Finding(NOTE, "GPU", f"{side} images want one; see docs/workflow.md"))
    return [*findings, _disk(plan), *_models(plan), *_weights(plan), *images(plan)]


def _environment() -> Iterator[Finding]:
    yield Finding(OK, "environment", f"unidad {__version__}, Python {platform.python_version()}")
    needed = [Requirement(line) for line in metadata.requires("unidad") or ()]
    needed = [package for package in needed if "extra" not in str(package.marker or "")]
    unmet = _differences(needed)
    if unmet:
        text = f"{', '.join(unmet.values())}; pip install -r requirements.lock"
        yield Finding(MISSING, "packages", text)
    if not LOCK.exists():
        return
    lines = [line for line in LOCK.read_text().splitlines() if line and line[0] != "#"]
    pinned = [Requirement(line) for line in lines]
    others = _differences([package for package in pinned if package.name not in unmet])
    if others:
        shown = ", ".join(list(others.values())[:5]) + (", ..." if len(others) > 5 else "")
        yield Finding(NOTE, "packages", f"{len(others)} are not as in {LOCK.name}: {shown}")
    elif not unmet:
        yield Finding(OK, "packages", f"{len(pinned)} as in {LOCK.name}")


def _differences(wanted: list[Requirement]) -> dict[str, str]:
    """Package → "torch 2.5.0, not >=2.6", for those that are absent or of another version."""
    found = {}
    for package in wanted:
        if package.marker is not None and not package.marker.evaluate():
            continue
        try:
            version = metadata.version(package.name)
        except metadata.PackageNotFoundError:
            found[package.name] = f"{package.name} is not installed"
            continue
        if not package.specifier.contains(version, prereleases=True):
            found[package.name] = f"{package.name} {version}, not {package.specifier}"
    return found


def _gpu() -> Finding:
    if not torch.cuda.is_available():
        return Finding(NOTE, "GPU", "none seen from here; everything runs on the processor")
    device = torch.cuda.get_device_properties(0)
    count, memory = torch.cuda.device_count(), device.total_memory / 1e9
    half = "bf16" if torch.cuda.is_bf16_supported() else "no bf16: set training.bf16 to false"
    return Finding(OK, "GPU", f"{count} x {device.name}, {memory:.0f} GB, {half}")


def _disk(plan: Plan) -> Finding:
    needed, free = estimate(plan, rates={}).disk, shutil.disk_usage(".").free
    text = f"{free / 1e9:.1f} GB free, about {needed / 1e9:.1f} GB wanted"
    if needed > free:
        return Finding(MISSING, "disk", f"{text}; make room, or make results/ a link elsewhere")
    return Finding(OK, "disk", text)


def _models(plan: Plan) -> Iterator[Finding]:
    """What an experiment takes as it is, opened."""
    origins = {name: spec["origin"] for name, spec in plan.task.placed().items()}
    for key, value in plan.task.given_models().items():
        if value in ("train", "published"):
            yield Finding(OK, key, value)
        elif value not in BY_NAME and (finding := absent_file(key, value)):
            yield finding
        else:
            told = value if value in BY_NAME else f"{value}; `unidad check-model` tells what it is"
            yield _opened(key, told, partial(_open_model, origins.get(key), value))
    for label, variant in plan.config.variants.items():
        for name, origin in variant.frozen_features.items():
            key = f"variants.{label}.features.{name}"
            yield _opened(key, origin, partial(load_frozen_features, name, origin))
        if (name := getattr(variant, "prompt_templates", None)) is not None:
            key = f"variants.{label}.prompt_templates"
            yield _opened(key, name, partial(read_prompts, templates_file(name)))
    yield from _words(plan, origins)


def _open_model(origin: str | None, path: str) -> None:
    """A bare state dict is no origin that is put in place."""
    if origin is None:
        read_weights(Path(path))
    else:
        open_origin(origin)


def _words(plan: Plan, origins: dict[str, str]) -> Iterator[Finding]:
    """The words that prompts hold, as far as there is a tokenizer that could know them."""
    words, origin = plan.task.words(), origins.get(SOURCE_TEACHER)
    if not words or origin is None or not origin_folder(origin).is_dir():
        return
    try:
        text = load_text_encoder(origin_folder(origin))
    except UserError:  # told already
        return
    for key, phrase in words.items():
        yield _opened(key, phrase, partial(text.check_words, phrase, "the phrase"))


def _opened(topic: str, text: str, opening: Callable[[], object]) -> Finding:
    try:
        opening()
    except (UserError, OSError) as error:
        return Finding(MISSING, topic, one_line(error))
    return Finding(OK, topic, text)


def _weights(plan: Plan) -> Iterator[Finding]:
    """The published networks that images are measured with."""
    for name in plan.task.published_networks():
        yield _download(name) if "://" in name else _hub_model(name)


def _hub_model(name: str) -> Finding:
    if not os.environ.get(FOLDER):
        return Finding(NOTE, "weights", f"{name} will be taken from the Hugging Face hub")
    folder = Path(os.environ[FOLDER]) / name.rsplit("/", 1)[-1]
    if (folder / "config.json").is_file():
        return Finding(OK, "weights", str(folder))
    remedy = f"hf download {name} --local-dir {folder}"
    return Finding(MISSING, "weights", f"{folder} is not there; {remedy}")


def _download(url: str) -> Finding:
    file = weights_file(url)
    if file.is_file():
        return Finding(OK, "weights", str(file))
    if os.environ.get(FOLDER):
        return Finding(MISSING, "weights", f"{file} is not there; download {url} to it")
    text = f"{url} will be downloaded; without a network, see {FOLDER} in docs/metrics.md"
    return Finding(NOTE, "weights", text)

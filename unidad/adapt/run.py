"""From photos to a model: look, choose, run the workflow, export."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from unidad.adapt import workflow
from unidad.adapt.base import Base
from unidad.adapt.configuration import MAIN, Wishes, choose, target_name, write
from unidad.adapt.hardware import this_machine
from unidad.adapt.nearness import SAMPLES, measure
from unidad.adapt.progress import Bar, steps
from unidad.data.folder import image_paths, load_folder
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.experiment.load import load_config
from unidad.files import read_json, write_json
from unidad.locks import unlock
from unidad.models.export import export_run
from unidad.plan import Plan
from unidad.shipped import SHIPPED_FEATURE_NETWORK
from unidad.tasks.rows import Run

CONFIG, LOG, MODEL, RECORD = "config.yaml", "adapt.log", "model", ".adapt.json"
LARGEST_WITHOUT_GPU = 128
"""Pixels up to which a base draws fast enough on a processor to be looked at."""


def adapt(
    wishes: Wishes,
    base: Base,
    profile: str | None = None,
    only_config: bool = False,
    quiet: bool = False,
) -> Iterator[str]:
    """Do all of it; gives lines for the user as it goes.

    Args:
        wishes: what was typed.
        base: the model that is adapted.
        profile: of Snakemake; all cores of this machine without one.
        only_config: write the configuration and run nothing.
        quiet: no progress bar.

    Raises:
        UserError: photos, base or options that will not do, or a step that failed.
    """
    config = wishes.out / CONFIG
    command = workflow.command(wishes.out, config, profile)
    yield from _configure(wishes, base, config, command)
    plan = Plan(load_config(config))
    if only_config:
        yield f"it runs by: {' '.join(command)}"
        return
    sheet = wishes.out / plan.root / f"data/{target_name(wishes.photos)}/contact_sheet.png"
    yield f"soon to be looked at: {sheet}, the photos as the networks see them"
    unlock(wishes.out)
    with Bar(steps(plan, wishes.out), quiet) as bar:
        workflow.run(command, wishes.out / LOG, bar.update)
    yield from _finish(wishes, base, plan)


def _configure(wishes: Wishes, base: Base, config: Path, command: list[str]) -> Iterator[str]:
    """Write the configuration, or leave one alone that the user has changed."""
    record = wishes.out / RECORD
    asked = json.loads(json.dumps(asdict(wishes) | {"base": base.folder}, default=str))
    if config.exists():
        before = read_json(record, f"choose another --out; {config} is not from `unidad adapt`")
        changed = hashlib.sha256(config.read_bytes()).hexdigest() != before.get("sha256")
        if changed and asked != before.get("asked"):
            raise UserError(
                f"{config}: was changed by hand, and the options are others than before; change "
                "it there and type the options of before, or choose another --out"
            )
        if changed or asked == before.get("asked"):
            yield f"goes on with {config}{', as you changed it' if changed else ''}"
            return
    photos = _photos(wishes, base)
    yield f"{len(photos.images)} photos, as {base.resolution}x{base.resolution} pixels"
    machine, nearness = this_machine(), None
    if _can_be_looked_at(base):
        yield f"does the base know such photos? It draws {SAMPLES} images: a minute or so"
        nearness = measure(photos.images, base.drawing, SHIPPED_FEATURE_NETWORK)
    chosen = choose(wishes, base, len(photos.images), nearness, machine)
    yield from chosen.reasons
    write(chosen, config, ["unidad", *sys.argv[1:]], command)
    digest = hashlib.sha256(config.read_bytes()).hexdigest()
    write_json(record, {"asked": asked, "sha256": digest})


def _photos(wishes: Wishes, base: Base) -> ImageSet:
    """The photos as the networks see them.

    Raises:
        UserError: one line for each that will not do, or too few.
    """
    if wishes.out.resolve() == wishes.photos.resolve():
        raise UserError("--out: the folder of the photos; write elsewhere")
    found = image_paths(wishes.photos)
    if len(found) < 2:
        raise UserError(f"{wishes.photos}: 1 image; ten are wanted, two the least")
    images, _ = load_folder(wishes.photos, base.resolution, crop=wishes.crop)
    return images


def _can_be_looked_at(base: Base) -> bool:
    """Whether the base draws without a prompt, and fast enough here."""
    fast = base.resolution <= LARGEST_WITHOUT_GPU or torch.cuda.is_available()
    return fast and not base.reads_text


def _finish(wishes: Wishes, base: Base, plan: Plan) -> Iterator[str]:
    """Export the model and say where everything is."""
    config = plan.config
    run = Run(target_name(wishes.photos), config.shots[-1], MAIN, config.seeds[0])
    root, model = wishes.out / plan.root, wishes.out / MODEL
    export_run(root / "runs" / run.key, model, command=f"unidad adapt (as {wishes.out / CONFIG})")
    nfe = config.variants[MAIN].nfe
    yield from _numbers(root / f"metrics/{run.key}/nfe{nfe}.json")
    page = next(
        path for path in (root / "index.html", root / "tables/comparison.html") if path.exists()
    )
    yield f"model:         {model}"
    yield f"page:          {page}"
    yield f"pictures:      {root / 'grids'}"
    yield f"configuration: {wishes.out / CONFIG}"
    yield "draw with it:"
    yield ""
    yield from (f"    {line}" for line in _drawing(model, base, wishes.class_word))


def _numbers(metrics: Path) -> Iterator[str]:
    found = read_json(metrics, "the workflow writes it").get("metrics", {})
    copies = found.get("near_copies")
    if copies is not None:
        yield f"copies: {copies:.0%} of what it draws is nearly one of the photos"


def _drawing(model: Path, base: Base, class_word: str | None) -> list[str]:
    """Three lines of Python."""
    if base.reads_text:
        return [
            "from diffusers import StableDiffusionPipeline",
            f'pipeline = StableDiffusionPipeline.from_pretrained("{model}")',
            f'pipeline("a prt {class_word} on the beach", num_inference_steps=1, '
            'guidance_scale=0).images[0].save("one.png")',
        ]
    return [
        "from unidad.pipeline import UnidadPipeline",
        f'pipeline = UnidadPipeline.from_pretrained("{model}")',
        'pipeline(batch_size=16, seed=0).images[0].save("one.png")',
    ]

"""Verbs that train a model and draw images with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unidad.cli.common import (
    Verbs,
    add_threads_and_quiet,
    add_verb,
    read_settings,
    section_of,
    those_typed,
)
from unidad.errors import UserError
from unidad.files import write_json

if TYPE_CHECKING:
    from unidad.data.image_set import ImageSet


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_train(verbs)
    _add_sample(verbs)


def _add_train(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "train",
        _train,
        "train one run from its specification; started again it goes on from the last checkpoint",
        "train results/default/specs/runs/babies/shots10/ft/seed0.json --out my-run",
    )
    parser.add_argument("spec", type=Path, help="run specification (JSON), see `unidad plan`")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--watching", type=Path, help="JSON: what is logged and drawn; it changes no weight"
    )
    add_threads_and_quiet(parser)


def _train(options: argparse.Namespace) -> None:
    from unidad.methods.specs import load_spec
    from unidad.training.run import train

    summary = train(load_spec(options.spec, options.watching), options.out, not options.quiet)
    print(f"{options.out}/model: {summary['updates']} in {summary['seconds']:.0f} s")


def _add_sample(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "sample",
        _sample,
        "draw images with an exported model; images depend on (seed, index) alone",
        "sample my-run/model --count 64 --out images.npz --grid images.png",
    )
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help=".npz to write; its cost beside it, and a text-to-image model's images as PNG files",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        help="JSON with samples, seed, batch_size; for a text-to-image model with prompts, "
        "images_per_prompt, seed, guidance_scale, batch_size",
    )
    parser.add_argument(
        "--prompt", action="append", help="text-to-image models: what to draw; may be repeated"
    )
    parser.add_argument(
        "--count", type=int, help="number of images (default 64), or of images a prompt (default 4)"
    )
    parser.add_argument(
        "--index",
        type=int,
        action="append",
        help="draw the image of this number alone, from 0 as in the whole set; may be repeated",
    )
    parser.add_argument("--seed", type=int, help="seed of the noise (default 0)")
    parser.add_argument("--nfe", type=int, help="network evaluations an image (default: trained)")
    parser.add_argument("--grid", type=Path, help="also write a PNG of the first 64")
    add_threads_and_quiet(parser)


def _sample(options: argparse.Namespace) -> None:
    from unidad.networks.text_to_image_folder import is_text_to_image
    from unidad.provenance import made

    _check_asked(options)
    draw = _draw_prompts if is_text_to_image(options.model) else _draw
    images, cost = draw(options)
    images.save(options.out)
    write_json(options.out.with_suffix(".json"), cost | made())
    if options.grid:
        from PIL import Image

        from unidad.data.contact_sheet import write_png
        from unidad.report.grids import sample_grid

        write_png(options.grid, Image.fromarray(sample_grid(images.images[:64], 8)))


def _check_asked(options: argparse.Namespace) -> None:
    """What was typed is possible, and no two files of the output are one.

    Raises:
        UserError: it is not, or they are.
    """
    from unidad.config.evaluation import Asked
    from unidad.config.mistakes import validate

    validate(Asked, {key: getattr(options, key) for key in Asked.model_fields}, "options")
    for name, ending in (("out", ".npz"), ("grid", ".png")):
        path = getattr(options, name)
        if path is not None and path.suffix.lower() != ending:
            raise UserError(f"--{name}: {path} does not end in {ending}")
    if options.grid is not None and options.grid.parent == options.out.with_suffix(""):
        raise UserError(f"--grid: {options.grid} would lie among the images; choose another place")


def _draw(options: argparse.Namespace) -> tuple[ImageSet, dict]:
    from unidad.config.evaluation import Evaluation, NoiseGrid
    from unidad.sampling import FromNoise, draw_some, load_image_model, sample

    if options.prompt:
        raise UserError(f"--prompt: {options.model} is no text-to-image model")
    settings = read_settings(options.settings, Evaluation.model_fields)
    settings |= those_typed(samples=options.count, seed=options.seed)
    grid = section_of(NoiseGrid, options, settings)
    model = load_image_model(options.model)
    if options.index:
        count = max(grid.samples, *(number + 1 for number in options.index))
        nfe = model.nfe if options.nfe is None else options.nfe
        drawing = FromNoise(model, count, grid.seed, nfe, grid.batch_size)
        return draw_some(drawing, options.index)
    drawn = grid.samples, grid.seed, options.nfe, grid.batch_size
    return sample(model, *drawn, not options.quiet)


def _draw_prompts(options: argparse.Namespace) -> tuple[ImageSet, dict]:
    from unidad.config.evaluation import PromptGrid
    from unidad.prompt_sampling import FromPrompts, draw_grid, load_text_to_image_model
    from unidad.sampling import draw_some

    settings = read_settings(options.settings, PromptGrid.model_fields)
    settings |= those_typed(
        prompts=options.prompt, images_per_prompt=options.count, seed=options.seed
    )
    if "prompts" not in settings:
        raise UserError(
            f"{options.model} is a text-to-image model; give --prompt, or --settings with 'prompts'"
        )
    grid = section_of(PromptGrid, options, settings)
    model = load_text_to_image_model(options.model)
    if options.index:
        return draw_some(FromPrompts(model, grid, options.nfe), options.index)
    return draw_grid(model, grid, options.out.with_suffix(""), options.nfe, not options.quiet)

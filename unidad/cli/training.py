"""Verbs that train a model and draw images with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from unidad.cli.common import Verbs, add_threads_and_quiet, add_verb, read_settings
from unidad.errors import UserError
from unidad.files import atomic_file, write_json


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
    add_threads_and_quiet(parser)


def _train(options: argparse.Namespace) -> None:
    from unidad.config import load_spec
    from unidad.train import train

    summary = train(load_spec(options.spec), options.out, not options.quiet)
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
    parser.add_argument("--out", type=Path, required=True, help=".npz to write; its cost beside it")
    parser.add_argument("--settings", type=Path, help="JSON with samples, seed, batch_size")
    parser.add_argument("--count", type=int, help="number of images (default 64)")
    parser.add_argument("--seed", type=int, help="seed of the noise (default 0)")
    parser.add_argument("--nfe", type=int, help="network evaluations an image (default: trained)")
    parser.add_argument("--grid", type=Path, help="also write a PNG of the first 64")
    add_threads_and_quiet(parser)


def _sample(options: argparse.Namespace) -> None:
    from unidad.config import Evaluation
    from unidad.sampling import load_pipeline, sample

    settings = {"samples": 64, "seed": 0, "batch_size": 64}
    settings |= read_settings(options.settings, Evaluation.model_fields)
    count = settings["samples"] if options.count is None else options.count
    seed = settings["seed"] if options.seed is None else options.seed
    if count < 1 or (options.nfe is not None and options.nfe < 1):
        raise UserError("--count and --nfe must be at least 1")
    pipeline = load_pipeline(options.model)
    images, cost = sample(
        pipeline, count, seed, options.nfe, settings["batch_size"], not options.quiet
    )
    images.save(options.out)
    write_json(options.out.with_suffix(".json"), cost)
    if options.grid:
        from PIL import Image

        from unidad.report.grids import sample_grid

        with atomic_file(options.grid) as partial:
            Image.fromarray(sample_grid(images.images[:64], 8)).save(partial, format="PNG")

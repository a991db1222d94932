"""Verbs that measure images."""

from __future__ import annotations

import argparse
from pathlib import Path

from unidad.cli.common import Verbs, add_threads_and_quiet, add_verb, read_settings
from unidad.files import read_json, write_json


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_features(verbs)
    _add_evaluate(verbs)


def _add_features(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "features",
        _features,
        "compute what networks see in an image set and its prompts, once for all metrics",
        "features images.npz --network results/default/models/feature_network --out features.npz",
    )
    parser.add_argument("images", type=Path, help=".npz image set")
    parser.add_argument(
        "--network",
        type=Path,
        action="append",
        required=True,
        help="folder of a feature network, CLIP or an instance encoder; may be repeated",
    )
    parser.add_argument(
        "--settings", type=Path, help="JSON whose prompts are embedded beside the captions"
    )
    parser.add_argument("--rare-token", default="prt", help="left out of the prompts (default prt)")
    parser.add_argument(
        "--keep-token", action="store_true", help="embed the prompts with the rare token, too"
    )
    parser.add_argument(
        "--mirrored",
        action="store_true",
        help="see the mirror images, too: of training images, so that mirrored copies are copies",
    )
    parser.add_argument("--out", type=Path, required=True, help=".npz to write")
    add_threads_and_quiet(parser)


def _features(options: argparse.Namespace) -> None:
    from unidad.config.evaluation import PromptGrid
    from unidad.data.image_set import ImageSet
    from unidad.data.prompts import without_token
    from unidad.features.extractors import load_extractor
    from unidad.features.features import cached_features

    images = ImageSet.load(options.images)
    settings = read_settings(options.settings, PromptGrid.model_fields)
    whole = [*images.captions, *settings.get("prompts", ())]
    prompts = [without_token(prompt, options.rare_token) for prompt in whole]
    prompts += whole if options.keep_token else []
    extractor = load_extractor(*options.network)
    cached_features(images, extractor, options.out, prompts, options.mirrored)


def _add_evaluate(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "evaluate",
        _evaluate,
        "measure one image set: quality, diversity, memorisation, cost",
        "evaluate results/default/specs/metrics/babies/shots10/ft/seed0/nfe25.json --out m.json",
    )
    parser.add_argument("spec", type=Path, help="row specification (JSON), see `unidad plan`")
    parser.add_argument(
        "--snapshots",
        action="store_true",
        help="draw with and measure the snapshots that the row's run kept: quality against updates",
    )
    parser.add_argument(
        "--images", type=Path, help="with --snapshots: .npz to write, a few images of each snapshot"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    add_threads_and_quiet(parser)


def _evaluate(options: argparse.Namespace) -> None:
    from unidad.provenance import made

    spec = read_json(options.spec, "`unidad plan --write` makes it")
    if options.snapshots:
        from unidad.tasks.snapshots import evaluate_snapshots

        found, images = evaluate_snapshots(spec, not options.quiet)
        if options.images:
            images.save(options.images)
    else:
        from unidad.tasks.evaluate import evaluate_row

        found = evaluate_row(spec, not options.quiet)
    write_json(options.out, found | made())

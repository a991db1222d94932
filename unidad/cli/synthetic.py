"""Verbs that make the networks of the embedded benchmark, and show that they are fit for use."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from unidad.cli.common import (
    Verbs,
    add_settings,
    add_threads_and_quiet,
    add_verb,
    command_line,
    given_settings,
    section_of,
)
from unidad.config.section import Section
from unidad.shipped import SHIPPED_FEATURE_NETWORK, SHIPPED_SCENE_NETWORK
from unidad.synthetic.recipes import (
    AtResolution,
    AutoencoderTraining,
    ClipTraining,
    FeatureTraining,
    NewTextToImage,
    SceneNetworkTraining,
)


@dataclass(frozen=True)
class Verb:
    """A verb that trains a network.

    Attributes:
        help: of the verb.
        module: of `unidad.synthetic`, with `train` and with `told`, which says what came of it.
        recipe: settings of the training.
    """

    help: str
    module: str
    recipe: type[Section]


TRAININGS = {
    "train-features": Verb(
        "train the feature network of synthetic faces, on renderings alone",
        "feature_training",
        FeatureTraining,
    ),
    "train-scene-features": Verb(
        "train the scene network of the personalisation benchmark, on renderings alone",
        "scene_training",
        SceneNetworkTraining,
    ),
    "train-clip": Verb(
        "train the small CLIP of the synthetic scenes, on captioned renderings alone",
        "clip_training",
        ClipTraining,
    ),
    "train-vae": Verb(
        "train the autoencoder of a small text-to-image model, on synthetic scenes",
        "vae_training",
        AutoencoderTraining,
    ),
}
FITNESS = {
    "fitness": (
        "show that a feature network is fit for use: distances against known corruptions",
        SHIPPED_FEATURE_NETWORK,
        "fitness",
    ),
    "scene-fitness": (
        "show that a scene network is fit for use: subjects told from look-alikes, words read",
        SHIPPED_SCENE_NETWORK,
        "scene_fitness",
    ),
}
"""Verb → its help, the network that it examines by default, its module."""


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    for name, verb in TRAININGS.items():
        example = f"{name} --updates 500 --seed 7 --out my-network"
        parser = add_verb(verbs, name, partial(_train, verb), verb.help, example)
        parser.add_argument("--out", type=Path, required=True, help="folder to write")
        add_settings(parser, verb.recipe, AtResolution)
        add_threads_and_quiet(parser)
    for name, (help_, network, module) in FITNESS.items():
        parser = add_verb(verbs, name, partial(_examine, module), help_, f"{name} --out docs")
        parser.add_argument("--network", type=Path, default=network, help="folder (default: ours)")
        parser.add_argument("--out", type=Path, required=True, help="folder of table and plot")
        add_threads_and_quiet(parser)
    _add_new_text_to_image(verbs)


def _train(verb: Verb, options: argparse.Namespace) -> None:
    given = given_settings(options, verb.recipe, AtResolution)
    recipe, common = (section_of(part, options, given) for part in (verb.recipe, AtResolution))
    from unidad.synthetic.descent import Making

    module = import_module(f"unidad.synthetic.{verb.module}")
    making = Making(options.out, common.resolution, not options.quiet, command_line())
    print(module.told(module.train(recipe, making)))


def _examine(module: str, options: argparse.Namespace) -> None:
    from unidad.features.extractors import load_extractor

    write_fitness = import_module(f"unidad.synthetic.{module}").write_fitness
    write_fitness(load_extractor(options.network), options.out, progress=not options.quiet)


def _add_new_text_to_image(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "new-text-to-image",
        _new_text_to_image,
        "put an untrained small text-to-image model together",
        "new-text-to-image --vae my-vae --clip my-clip --out my-model",
    )
    parser.add_argument("--vae", type=Path, required=True, help="folder of `unidad train-vae`")
    parser.add_argument("--clip", type=Path, required=True, help="folder of `unidad train-clip`")
    parser.add_argument("--out", type=Path, required=True, help="pipeline folder to write")
    add_settings(parser, NewTextToImage)


def _new_text_to_image(options: argparse.Namespace) -> None:
    from unidad.features.clip import load_clip
    from unidad.networks.text import TextEncoder
    from unidad.synthetic.new_text_to_image import new_text_to_image

    settings = section_of(NewTextToImage, options, given_settings(options, NewTextToImage))
    clip = load_clip(options.clip)
    text = TextEncoder(clip.tokenizer, clip.model.text_model)
    network = new_text_to_image(options.vae, text, options.out, settings)
    count = sum(p.numel() for p in network.model.parameters())
    print(f"{options.out}: a U-Net of {count:,} parameters")

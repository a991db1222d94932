"""Verbs that make the parts of a small text-to-image model."""

from __future__ import annotations

import argparse
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
from unidad.synthetic.recipes import AutoencoderTraining, SceneModels


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_train_vae(verbs)
    _add_new_text_to_image(verbs)


def _add_train_vae(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "train-vae",
        _train_vae,
        "train the autoencoder of a small text-to-image model, on synthetic scenes",
        "train-vae --out my-vae",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_settings(parser, AutoencoderTraining)
    parser.add_argument("--resolution", type=int, default=32, help="in pixels (default 32)")
    add_threads_and_quiet(parser)


def _train_vae(options: argparse.Namespace) -> None:
    from unidad.synthetic.vae_training import train_vae

    psnr = train_vae(
        options.out,
        section_of(AutoencoderTraining, options, given_settings(options, AutoencoderTraining)),
        options.resolution,
        not options.quiet,
        command_line(),
    )
    print(f"{options.out}: {psnr:.2f} dB on held-out scenes")


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
    parser.add_argument(
        "--channels",
        type=int,
        nargs="+",
        help="of the U-Net's blocks, at halving resolutions",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the U-Net's weights (default 0)")


def _new_text_to_image(options: argparse.Namespace) -> None:
    from unidad.features.clip import load_clip
    from unidad.networks.text import TextEncoder
    from unidad.synthetic.new_text_to_image import new_text_to_image

    channels = options.channels or SceneModels().channels
    clip = load_clip(options.clip)
    text = TextEncoder(clip.tokenizer, clip.model.text_model)
    network = new_text_to_image(options.vae, text, options.out, channels, options.seed)
    count = sum(p.numel() for p in network.model.parameters())
    print(f"{options.out}: a U-Net of {count:,} parameters")

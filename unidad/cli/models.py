"""Verbs that put models in place: source teachers and feature networks."""

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
from unidad.synthetic.recipes import ClipTraining, SceneNetworkTraining


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_import_adm(verbs)
    _add_check_model(verbs)
    _add_source_teacher(verbs)
    _add_text_to_image(verbs)
    _add_feature_network(verbs)
    _add_train_features(verbs)
    _add_fitness(verbs)
    _add_train_clip(verbs)
    _add_train_scene_features(verbs)
    _add_scene_fitness(verbs)


def _add_import_adm(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "import-adm",
        _import_adm,
        "import an unconditional guided-diffusion (ADM) checkpoint as a model folder",
        "import-adm ffhq.pt --out models/ffhq",
    )
    parser.add_argument("checkpoint", type=Path, help="state dict: .pt or .safetensors")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--head-channels", type=int, default=64, help="width of an attention head (default 64)"
    )
    parser.add_argument(
        "--resolution", type=int, default=256, help="of the images, in pixels (default 256)"
    )
    parser.add_argument(
        "--new-attention-order",
        action="store_true",
        help="trained with use_new_attention_order (default: the legacy order of q, k and v)",
    )
    parser.add_argument(
        "--drop-variance", action="store_true", help="leave out the learned variance"
    )
    parser.add_argument(
        "--dtype", choices=["float32", "bfloat16"], default="float32", help="of the weights"
    )


def _import_adm(options: argparse.Namespace) -> None:
    from unidad.models import import_adm

    import_adm(
        options.checkpoint,
        options.out,
        options.head_channels,
        options.resolution,
        options.new_attention_order,
        options.drop_variance,
        options.dtype,
        command_line(),
    )


def _add_check_model(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "check-model",
        _check_model,
        "check a model folder or a guided-diffusion checkpoint, and print what it holds",
        "check-model models/ffhq",
    )
    parser.add_argument("model", type=Path, help="model folder, .pt or .safetensors")


def _check_model(options: argparse.Namespace) -> None:
    from unidad.networks.describe import describe_model

    for name, fact in describe_model(options.model).items():
        print(f"{name}: {fact}")


def _add_source_teacher(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "source-teacher",
        _source_teacher,
        "check a source teacher and put it in place as an exported model",
        "source-teacher shipped --out results/default/models/source_teacher",
    )
    parser.add_argument(
        "origin",
        help="`shipped`, a folder with unet/ and scheduler/, or a guided-diffusion checkpoint",
    )
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--resolution",
        type=int,
        default=256,
        help="of a checkpoint's images, in pixels (default 256)",
    )


def _source_teacher(options: argparse.Namespace) -> None:
    from unidad.models import place_source_teacher

    place_source_teacher(options.origin, options.out, options.resolution, command_line())


def _add_text_to_image(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "text-to-image",
        _text_to_image,
        "check a text-to-image model and put it in place",
        "text-to-image source_teacher shipped --out results/sdp/models/source_teacher",
    )
    parser.add_argument("role", choices=["source_teacher", "source_student"], help="what it is for")
    parser.add_argument("origin", help="`shipped`, or the folder of a StableDiffusionPipeline")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")


def _text_to_image(options: argparse.Namespace) -> None:
    from unidad.models import place_text_to_image

    place_text_to_image(options.role, options.origin, options.out)


def _add_feature_network(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "feature-network",
        _feature_network,
        "check a feature network and put it in place, or train it",
        "feature-network shipped --out results/default/models/feature_network",
    )
    parser.add_argument(
        "origin",
        help="`shipped`, `train`, `published` (Inception and LPIPS), or a folder of "
        "`unidad train-features`",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--mode",
        choices=["legacy_pytorch", "clean"],
        default="legacy_pytorch",
        help="published: how images are resized for Inception",
    )
    parser.add_argument(
        "--trunk", choices=["vgg", "alex"], default="vgg", help="published: LPIPS' network"
    )
    add_threads_and_quiet(parser)


def _feature_network(options: argparse.Namespace) -> None:
    if options.origin == "train":
        from unidad.synthetic.feature_training import train_feature_network

        train_feature_network(options.out, progress=not options.quiet, command=command_line())
    else:
        from unidad.config.evaluation import PublishedFeatures
        from unidad.models import place_feature_network

        published = PublishedFeatures(mode=options.mode, trunk=options.trunk)
        place_feature_network(options.origin, options.out, published)


def _add_train_features(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "train-features",
        _train_features,
        "train the feature network of the synthetic benchmark, on renderings alone",
        "train-features --out my-features",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=4000, help="updates (default 4000)")
    parser.add_argument("--resolution", type=int, default=32, help="in pixels (default 32)")
    parser.add_argument("--seed", type=int, default=4242, help="default 4242")
    add_threads_and_quiet(parser)


def _train_features(options: argparse.Namespace) -> None:
    from unidad.synthetic.feature_training import train_feature_network

    scores = train_feature_network(
        options.out,
        options.seed,
        options.steps,
        options.resolution,
        not options.quiet,
        command_line(),
    )
    for domain, share in scores.accuracy.items():
        print(f"{domain}: {share:.3f} recognised")


def _add_fitness(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "fitness",
        _fitness,
        "show that a feature network is fit for use: distances against known corruptions",
        "fitness --out docs",
    )
    parser.add_argument("--network", type=Path, help="folder of a feature network (default: ours)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write table and plot to")
    add_threads_and_quiet(parser)


def _fitness(options: argparse.Namespace) -> None:
    from unidad.features.feature_network import load_feature_network
    from unidad.shipped import SHIPPED_FEATURE_NETWORK
    from unidad.synthetic.fitness import write_fitness

    network = load_feature_network(options.network or SHIPPED_FEATURE_NETWORK)
    write_fitness(network, options.out, progress=not options.quiet)


def _add_train_clip(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "train-clip",
        _train_clip,
        "train the small CLIP of the synthetic scenes, on captioned renderings alone",
        "train-clip --out my-clip --seed 0",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_settings(parser, ClipTraining)
    add_threads_and_quiet(parser)


def _train_clip(options: argparse.Namespace) -> None:
    from unidad.synthetic.clip_training import train_clip
    from unidad.synthetic.recipes import ClipTraining

    rows = train_clip(
        options.out,
        section_of(ClipTraining, options, given_settings(options, ClipTraining)),
        not options.quiet,
        command_line(),
    )
    for row in rows:
        print(f"wrong in {row['wrong_in']}: the right caption is first in {row['first']:.3f}")


def _add_train_scene_features(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "train-scene-features",
        _train_scene_features,
        "train the scene network of the personalisation benchmark, on renderings alone",
        "train-scene-features --out my-features",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_settings(parser, SceneNetworkTraining)
    parser.add_argument("--resolution", type=int, default=32, help="in pixels (default 32)")
    add_threads_and_quiet(parser)


def _train_scene_features(options: argparse.Namespace) -> None:
    from unidad.synthetic.scene_fitness import word_table
    from unidad.synthetic.scene_training import train_scene_network

    found = train_scene_network(
        options.out,
        section_of(SceneNetworkTraining, options, given_settings(options, SceneNetworkTraining)),
        options.resolution,
        not options.quiet,
        command_line(),
    )
    print(word_table(found.words))


def _add_scene_fitness(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "scene-fitness",
        _scene_fitness,
        "show that a scene network is fit for use: subjects told from look-alikes, words read",
        "scene-fitness --out docs",
    )
    parser.add_argument("--network", type=Path, help="folder of a scene network (default: ours)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write table and plot to")
    add_threads_and_quiet(parser)


def _scene_fitness(options: argparse.Namespace) -> None:
    from unidad.features.scene_network import load_scene_network
    from unidad.shipped import SHIPPED_SCENE_NETWORK
    from unidad.synthetic.scene_fitness import write_fitness

    network = load_scene_network(options.network or SHIPPED_SCENE_NETWORK)
    write_fitness(network, options.out, progress=not options.quiet)

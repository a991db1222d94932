"""The command line: one verb a stage, the same that the workflow's rules call."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Collection
from inspect import signature
from pathlib import Path

from unidad import __version__
from unidad.errors import UserError

Handler = Callable[[argparse.Namespace], None]

DESCRIPTION = """\
Few-step, few-shot image generation: adapt a diffusion model to a handful of images and distil it
to 1-4 sampling steps. Each verb is one stage; `snakemake --cores all` runs them all."""


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; a user's mistake, or the system's, is one line on stderr, exit status 2."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=FutureWarning)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        _set_threads(getattr(options, "threads", None))
        options.handler(options)
    except (UserError, OSError) as error:
        for line in (str(error) or repr(error)).splitlines():
            print(f"unidad {options.verb}: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"unidad {options.verb}: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unidad",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"unidad {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add in (
        _add_plan,
        _add_prepare,
        _add_contact_sheet,
        _add_import_adm,
        _add_check_model,
        _add_source_teacher,
        _add_feature_network,
        _add_train_features,
        _add_fitness,
        _add_train,
        _add_sample,
        _add_features,
        _add_trajectory,
        _add_evaluate,
        _add_report,
        _add_export,
        _add_schema,
    ):
        add(verbs)
    return parser


def _verb(verbs, name: str, handler: Handler, help_: str, example: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"example:\n  unidad {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler)
    return parser


def _threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _set_threads(count: int | None) -> None:
    if count is not None:
        if count < 1:
            raise UserError(f"--threads must be at least 1, got {count}")
        import torch

        torch.set_num_threads(count)


def _read_settings(path: Path | None, known: Collection[str]) -> dict:
    from unidad.files import read_json

    settings = {} if path is None else read_json(path, "`unidad plan --write` makes it")
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise UserError(f"{path}: {unknown[0]}: unknown key; known are {', '.join(known)}")
    return settings


# plan ------------------------------------------------------------------------------------------


def _add_plan(verbs) -> None:
    parser = _verb(
        verbs,
        "plan",
        _plan,
        "show an experiment's training runs and table rows, and write their specifications",
        "plan --config configs/full.yaml --write",
    )
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="YAML file")
    parser.add_argument("--write", action="store_true", help="write the run specifications")
    parser.add_argument("--root", action="store_true", help="print only where results go")


def _plan(options: argparse.Namespace) -> None:
    from unidad.config import load_config
    from unidad.plan import Plan

    plan = Plan(load_config(options.config))
    if options.root:
        print(plan.root)
        return
    runs = plan.runs()
    print(f"{len(runs)} training runs, {len(plan.rows())} measured rows, under {plan.root}/")
    for run in runs:
        needs = ", ".join(sorted({needed.label for needed in plan.dependencies(run).values()}))
        spec = plan.spec(run)
        updates = spec.variant.training.student_updates
        print(
            f"  {run.key}: {spec.variant.method}, {updates} student updates"
            + (f", after {needs}" if needs else "")
        )
    if options.write:
        print(f"{len(plan.write_specs())} specifications written or changed")


# data ------------------------------------------------------------------------------------------


def _add_prepare(verbs) -> None:
    parser = _verb(
        verbs,
        "prepare",
        _prepare,
        "prepare images: a synthetic domain, or a folder of your own",
        "prepare --folder my-photos --shots 5 10 --out data/mine",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--settings", type=Path, help="JSON with the keys below, see `unidad plan`")
    parser.add_argument("--domain", help="faces, babies, sunglasses, portraits or cats")
    parser.add_argument("--folder", help="your own images")
    parser.add_argument("--reference", help="held-out images of the same kind, to measure against")
    parser.add_argument("--shots", type=int, nargs="+", help="sizes of the training sets")
    parser.add_argument("--resolution", type=int, help="of the images, in pixels (default 32)")
    parser.add_argument("--seed", type=int, help="of the renderer (default 0)")
    parser.add_argument("--images", type=int, help="size of the source set (with --domain faces)")
    parser.add_argument("--babies", type=float, help="share of baby-like source faces")
    parser.add_argument("--sunglasses", type=float, help="share of source faces with sunglasses")
    parser.add_argument("--reference-images", type=int, help="held-out images (default 5000)")


def _prepare(options: argparse.Namespace) -> None:
    from unidad.data.prepare import prepare

    settings = _read_settings(options.settings, list(signature(prepare).parameters)[1:])
    given = ("domain", "folder", "reference", "shots", "resolution", "seed", "images")
    given += ("babies", "sunglasses", "reference_images")
    settings |= {key: getattr(options, key) for key in given if getattr(options, key) is not None}
    manifest = prepare(options.out, **settings)
    print(f"{options.out}: {', '.join(manifest['files'])}")


def _add_contact_sheet(verbs) -> None:
    parser = _verb(
        verbs,
        "contact-sheet",
        _contact_sheet,
        "show several prepared folders on one contact sheet",
        "contact-sheet data/babies data/cats --out data",
    )
    parser.add_argument("folders", type=Path, nargs="+", help="prepared folders")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")


def _contact_sheet(options: argparse.Namespace) -> None:
    from unidad.data.prepare import prepare_overview

    prepare_overview(options.out, options.folders)


# models ----------------------------------------------------------------------------------------


def _add_import_adm(verbs) -> None:
    parser = _verb(
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
        _command(),
    )


def _add_check_model(verbs) -> None:
    parser = _verb(
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


def _add_source_teacher(verbs) -> None:
    parser = _verb(
        verbs,
        "source-teacher",
        _source_teacher,
        "check a source teacher and put it in place as an exported model",
        "source-teacher shipped --out results/default/models/source_teacher",
    )
    parser.add_argument("origin", help="`shipped`, or a folder with unet/ and scheduler/")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")


def _source_teacher(options: argparse.Namespace) -> None:
    from unidad.models import place_source_teacher

    place_source_teacher(options.origin, options.out)


def _add_export(verbs) -> None:
    parser = _verb(
        verbs,
        "export",
        _export,
        "export a trained model for use elsewhere: bfloat16 or float32, with a model card",
        "export results/default/runs/babies/shots10/uni-dad/seed0 --out my-student",
    )
    parser.add_argument("run", type=Path, help="a run's folder (with model/ and training.json)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="of the weights; float32 draws the evaluation's very images",
    )


def _export(options: argparse.Namespace) -> None:
    from unidad.models import export_run

    export_run(options.run, options.out, options.dtype, _command())


# training and sampling -------------------------------------------------------------------------


def _add_train(verbs) -> None:
    parser = _verb(
        verbs,
        "train",
        _train,
        "train one run from its specification; started again it goes on from the last checkpoint",
        "train results/default/specs/runs/babies/shots10/ft/seed0.json --out my-run",
    )
    parser.add_argument("spec", type=Path, help="run specification (JSON), see `unidad plan`")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    _threads(parser)


def _train(options: argparse.Namespace) -> None:
    from unidad.config import load_spec
    from unidad.train import train

    summary = train(load_spec(options.spec), options.out, not options.quiet)
    print(f"{options.out}/model: {summary['updates']} in {summary['seconds']:.0f} s")


def _add_sample(verbs) -> None:
    parser = _verb(
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
    _threads(parser)


def _sample(options: argparse.Namespace) -> None:
    from unidad.config import Evaluation
    from unidad.files import write_json
    from unidad.sampling import load_pipeline, sample

    settings = {"samples": 64, "seed": 0, "batch_size": 64}
    settings |= _read_settings(options.settings, Evaluation.model_fields)
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

        from unidad.files import atomic_file
        from unidad.report.grids import sample_grid

        with atomic_file(options.grid) as partial:
            Image.fromarray(sample_grid(images.images[:64], 8)).save(partial, format="PNG")


# evaluation ------------------------------------------------------------------------------------


def _add_feature_network(verbs) -> None:
    parser = _verb(
        verbs,
        "feature-network",
        _feature_network,
        "check a feature network and put it in place, or train it",
        "feature-network shipped --out results/default/models/feature_network",
    )
    parser.add_argument("origin", help="`shipped`, `train`, or a folder of `unidad train-features`")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    _threads(parser)


def _feature_network(options: argparse.Namespace) -> None:
    if options.origin == "train":
        from unidad.metrics.feature_training import train_feature_network

        train_feature_network(options.out, progress=not options.quiet, command=_command())
    else:
        from unidad.models import place_feature_network

        place_feature_network(options.origin, options.out)


def _add_train_features(verbs) -> None:
    parser = _verb(
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
    _threads(parser)


def _train_features(options: argparse.Namespace) -> None:
    from unidad.metrics.feature_training import train_feature_network

    scores = train_feature_network(
        options.out,
        options.seed,
        options.steps,
        options.resolution,
        not options.quiet,
        _command(),
    )
    for domain, share in scores.accuracy.items():
        print(f"{domain}: {share:.3f} recognised")


def _command() -> str:
    return shlex.join(["unidad", *sys.argv[1:]])


def _add_fitness(verbs) -> None:
    parser = _verb(
        verbs,
        "fitness",
        _fitness,
        "show that a feature network is fit for use: distances against known corruptions",
        "fitness --out docs",
    )
    parser.add_argument("--network", type=Path, help="folder of a feature network (default: ours)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write table and plot to")
    _threads(parser)


def _fitness(options: argparse.Namespace) -> None:
    from unidad.metrics.feature_network import load_feature_network
    from unidad.metrics.fitness import write_fitness
    from unidad.models import SHIPPED_FEATURE_NETWORK

    network = load_feature_network(options.network or SHIPPED_FEATURE_NETWORK)
    write_fitness(network, options.out, progress=not options.quiet)


def _add_features(verbs) -> None:
    parser = _verb(
        verbs,
        "features",
        _features,
        "compute the features of an image set, once for all metrics",
        "features images.npz --network results/default/models/feature_network --out features.npz",
    )
    parser.add_argument("images", type=Path, help=".npz image set")
    parser.add_argument("--network", type=Path, required=True, help="folder of a feature network")
    parser.add_argument("--out", type=Path, required=True, help=".npz to write")
    _threads(parser)


def _features(options: argparse.Namespace) -> None:
    from unidad.data.image_set import ImageSet
    from unidad.metrics.feature_network import load_feature_network
    from unidad.metrics.features import extract

    extract(ImageSet.load(options.images), load_feature_network(options.network)).save(options.out)


def _add_trajectory(verbs) -> None:
    parser = _verb(
        verbs,
        "trajectory",
        _trajectory,
        "measure the snapshots that a run kept: quality against updates",
        "trajectory results/default/specs/metrics/cats/shots10/ft/seed0/nfe25.json --out t.json",
    )
    parser.add_argument("spec", type=Path, help="row specification (JSON), see `unidad plan`")
    parser.add_argument("--settings", type=Path, help="JSON with samples, seed, batch_size")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    _threads(parser)


def _trajectory(options: argparse.Namespace) -> None:
    from unidad.config import Evaluation
    from unidad.files import read_json, write_json
    from unidad.metrics.trajectory import measure_trajectory

    spec = read_json(options.spec, "`unidad plan --write` makes it")
    if not spec.get("snapshots"):
        raise UserError(f"{options.spec}: this row keeps no snapshots; set training.snapshots")
    settings = Evaluation(**_read_settings(options.settings, Evaluation.model_fields))
    measured = measure_trajectory(
        spec, settings.samples, settings.seed, settings.batch_size, not options.quiet
    )
    write_json(options.out, {"run": spec["run"], "snapshots": measured})


def _add_evaluate(verbs) -> None:
    parser = _verb(
        verbs,
        "evaluate",
        _evaluate,
        "measure one image set: quality, diversity, memorisation, cost",
        "evaluate results/default/specs/metrics/babies/shots10/ft/seed0/nfe25.json --out m.json",
    )
    parser.add_argument("spec", type=Path, help="row specification (JSON), see `unidad plan`")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    _threads(parser)


def _evaluate(options: argparse.Namespace) -> None:
    from unidad.files import read_json, write_json
    from unidad.metrics.row import evaluate_row

    spec = read_json(options.spec, "`unidad plan --write` makes it")
    write_json(options.out, evaluate_row(spec, not options.quiet))


def _add_report(verbs) -> None:
    parser = _verb(
        verbs,
        "report",
        _report,
        "write an experiment's tables, plots and image grids from its measured rows",
        "report --config results/default/specs/config.json",
    )
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="YAML or JSON")


def _report(options: argparse.Namespace) -> None:
    from unidad.config import load_config
    from unidad.plan import Plan
    from unidad.report.experiment import report_experiment

    plan = Plan(load_config(options.config))
    report_experiment(plan)
    print(f"{plan.root}: tables/, plots/, grids/")


# schema ----------------------------------------------------------------------------------------


def _add_schema(verbs) -> None:
    parser = _verb(
        verbs,
        "schema",
        _schema,
        "print the JSON schema of the configuration",
        "schema > workflow/schemas/config.schema.json",
    )
    parser.add_argument("--check", type=Path, help="compare with this file instead")


def _schema(options: argparse.Namespace) -> None:
    from unidad.config import schema

    text = schema()
    if options.check is None:
        print(text, end="")
    elif options.check.read_text() != text:
        raise UserError(
            f"{options.check}: out of step with unidad/config.py; "
            f"mend it with `unidad schema > {options.check}`"
        )

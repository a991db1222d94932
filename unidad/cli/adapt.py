"""The verb for someone with ten photos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unidad.cli.common import Verbs
from unidad.errors import UserError

if TYPE_CHECKING:
    pass

DESCRIPTION = """\
From a folder of photos to a fast generator of such pictures.

Ten photos of one kind are enough: faces of babies, drawings by one hand. With --class-word they are
photos of one subject, your cat, and the model draws it for any prompt. The output folder gets

  config.yaml   an ordinary configuration, with the reasons for what was chosen in its head
  model/        the model, and a card that says what it is
  results/      all that was measured: tables, plots, grids of images
  adapt.log     what the workflow said

Stopped? Type the same again: it goes on where it was. Changed config.yaml? Type the same again:
what the change concerns is done anew. The photos are only read, and do not leave this machine."""
EPILOG = """\
examples:
  unidad adapt my-photos/ --out my-model
      from the model of rendered faces that ships (64x64): shows how it goes, within minutes
  unidad adapt my-photos/ --out my-model --compare
      trains the two-stage routes, too, for the table
  unidad adapt my-photos/ --out my-model --crop smart
      photos that are not square, or have bars at their sides: look at what is cut in
      results/*/data/*/contact_sheet.png
  unidad adapt my-photos/ --out my-model --base models/ffhq
      another base: a folder that diffusers or `unidad import-adm` wrote; wants a GPU
  unidad adapt my-cat/ --class-word cat --base models/stable-diffusion-v1-5 --out my-cat-model
      one subject, for any prompt
  unidad adapt my-photos/ --out my-model --only-config
      write config.yaml and the command that runs it, on a cluster perhaps"""


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verb."""
    parser = verbs.add_parser(
        "adapt",
        help="from a folder of photos to a model: configuration, training, numbers, pictures",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=_adapt)
    parser.add_argument("photos", type=Path, help="folder of images: ten or more, any size")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--base", type=Path, help="folder of the model to adapt (default: the one that ships)"
    )
    parser.add_argument(
        "--class-word", help="what the one subject of the photos is: cat, stuffed animal"
    )
    parser.add_argument(
        "--steps", type=int, help="network evaluations an image (default 3; with a text 1)"
    )
    parser.add_argument(
        "--crop",
        choices=["centre", "smart", "pad"],
        default="centre",
        help="photos that are not square: their middle (default); smart: without bars of one "
        "colour, the square with the most detail; pad: all of it, on one colour",
    )
    parser.add_argument(
        "--updates", type=int, help="of the student: more are better, up to copies of the photos"
    )
    parser.add_argument("--compare", action="store_true", help="train the two-stage routes, too")
    parser.add_argument(
        "--only-config", action="store_true", help="write the configuration, run nothing"
    )
    parser.add_argument(
        "--profile", help="of Snakemake, such as profiles/slurm (default: all cores)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _adapt(options: argparse.Namespace) -> None:
    from unidad.adapt.base import find_base
    from unidad.adapt.configuration import Wishes
    from unidad.adapt.run import adapt

    for name in ("steps", "updates"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} must be at least 1, got {value}")
    wishes = Wishes(
        options.photos,
        options.out,
        options.class_word,
        options.steps,
        options.crop,
        options.updates,
        options.compare,
    )
    base = find_base(options.base, options.class_word)
    for line in adapt(wishes, base, options.profile, options.only_config, options.quiet):
        print(line, flush=True)

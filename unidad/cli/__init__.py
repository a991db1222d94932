"""The command line: one verb a stage, the same that the workflow's rules call."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings

from unidad import __version__
from unidad.cli import adapt, data, evaluation, models, plan, results, synthetic, training
from unidad.errors import UserError
from unidad.plugins import load_plugins

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
        load_plugins()
        _set_threads(getattr(options, "threads", None))
        status = options.handler(options)
    except (UserError, OSError) as error:
        for line in (str(error) or repr(error)).splitlines():
            print(f"unidad {options.verb}: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"unidad {options.verb}: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unidad",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"unidad {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for topic in (adapt, plan, data, models, synthetic, training, evaluation, results):
        topic.add_verbs(verbs)
    return parser


def _set_threads(count: int | None) -> None:
    if count is not None:
        if count < 1:
            raise UserError(f"--threads must be at least 1, got {count}")
        import torch

        torch.set_num_threads(count)

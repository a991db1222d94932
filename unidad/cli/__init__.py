"""The command line: one verb a stage, the same that the workflow's rules call."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import warnings

from unidad import __version__
from unidad.cli import adapt, data, evaluation, models, plan, results, synthetic, training
from unidad.cli.common import check_place
from unidad.errors import Stopped, UserError, one_line
from unidad.plugins import load_plugins

MOST_THREADS = 1024
PLACES = ("out", "grid")
"""Options that name what is written."""
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
        _check(options)
        status = options.handler(options)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (UserError, OSError, MemoryError) as error:
        for line in _told(error).splitlines():
            print(f"unidad {options.verb}: {line}", file=sys.stderr)
        return 2
    except Stopped as stop:
        print(f"unidad {options.verb}: {stop}", file=sys.stderr)
        return stop.status
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


def _told(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory; fewer images at once need less ({one_line(error) or 'batch_size'})"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or repr(error)


def _check(options: argparse.Namespace) -> None:
    """What no verb could do anything with."""
    for name, value in vars(options).items():
        if "\0" in str(value):
            raise UserError(f"--{name}: {str(value)!r} holds a NUL, which no path can")
    for name in PLACES:
        if getattr(options, name, None) is not None:
            check_place(name, getattr(options, name))
    _set_threads(getattr(options, "threads", None))


def _set_threads(count: int | None) -> None:
    if count is not None:
        if not 1 <= count <= MOST_THREADS:
            raise UserError(f"--threads must be at least 1 and at most {MOST_THREADS}, got {count}")
        import torch

        torch.set_num_threads(count)

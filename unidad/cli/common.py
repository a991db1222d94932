"""What the verbs share: how one is added to the parser, its options, its settings file."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from unidad.errors import UserError
from unidad.files import read_json

if TYPE_CHECKING:
    from unidad.config import Section

    AnySection = TypeVar("AnySection", bound=Section)

Handler: TypeAlias = Callable[[argparse.Namespace], int | None]
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

AS_SHIPPED = "defaults: as the shipped one was trained"


def add_verb(
    verbs: Verbs, name: str, handler: Handler, help_: str, example: str
) -> argparse.ArgumentParser:
    """Add a verb; returns its parser, for its options.

    Args:
        verbs: of the command line.
        name: of the verb.
        handler: called with the parsed options; it may return the exit status.
        help_: one line, in lower case and without a full stop.
        example: a call, without the leading ``unidad``.
    """
    parser = verbs.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"example:\n  unidad {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler)
    return parser


def add_threads_and_quiet(parser: argparse.ArgumentParser) -> None:
    """The options of a verb that computes for long."""
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def read_settings(path: Path | None, known: Collection[str]) -> dict:
    """The mapping in a JSON file of settings; empty without a file.

    Raises:
        UserError: no such file, not a JSON mapping, or a key that is not `known`.
    """
    settings = {} if path is None else read_json(path, "`unidad plan --write` makes it")
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise UserError(f"{path}: {unknown[0]}: unknown key; known are {', '.join(known)}")
    return settings


def section_of(section: type[AnySection], options: argparse.Namespace) -> AnySection:
    """A section of the configuration: what was typed of its keys, else its defaults.

    Raises:
        UserError: a value out of range.
    """
    from unidad.config import validate

    given = {key: getattr(options, key, None) for key in section.model_fields}
    given = {key: value for key, value in given.items() if value is not None}
    return validate(section, given, "options")


def command_line() -> str:
    """The call that is running, for a model's card."""
    return shlex.join(["unidad", *sys.argv[1:]])

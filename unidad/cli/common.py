"""What the verbs share: how one is added to the parser, and where its settings come from."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args, get_origin

from unidad.errors import UserError, meant

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from unidad.config.section import Section

    AnySection = TypeVar("AnySection", bound=Section)

Handler: TypeAlias = Callable[[argparse.Namespace], int | None]
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


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


def add_settings(
    parser: argparse.ArgumentParser, *sections: type[Section], positional: str = ""
) -> None:
    """``--settings`` with a JSON file, and an option for every key of the sections.

    What is typed goes before the file, the file before the default. The help of an option is the
    key's docstring; a key of several sections is one option, with the first one's help.

    Args:
        parser: of a verb.
        sections: their keys that are numbers, words or lists of them become options.
        positional: the key that is typed without its name.
    """
    parser.add_argument("--settings", type=Path, help="JSON with the keys below; options go first")
    for name, field in _fields(sections).items():
        kind, several = _kind(field.annotation)
        if kind is bool:
            option = "--" + name.replace("_", "-")
            parser.add_argument(option, action="store_const", const=True, help=_help(field))
        elif kind is not None:
            typed = name if name == positional else "--" + name.replace("_", "-")
            nargs = "?" if name == positional else "+" if several else None
            shown = _choices(field.annotation)
            parser.add_argument(typed, type=kind, nargs=nargs, metavar=shown, help=_help(field))


def given_settings(options: argparse.Namespace, *sections: type[Section]) -> dict[str, Any]:
    """What was typed of the sections' keys, over what stands in the file of settings.

    Args:
        options: of a parser that went through `add_settings`.
        sections: whose keys are known.

    Raises:
        UserError: no such file, not a JSON mapping, or an unknown key.
    """
    known = _fields(sections)
    settings = read_settings(options.settings, known)
    return settings | those_typed(**{name: getattr(options, name, None) for name in known})


def those_typed(**values: Any) -> dict[str, Any]:
    """Those of the values that were typed: an option that was not is None."""
    return {name: value for name, value in values.items() if value is not None}


def section_of(
    section: type[AnySection], options: argparse.Namespace, given: Mapping[str, Any]
) -> AnySection:
    """A section, of those of the given settings that are its keys.

    Raises:
        UserError: a value out of range, or a key is missing.
    """
    from unidad.config.mistakes import validate

    own = {key: value for key, value in given.items() if key in section.model_fields}
    return validate(section, own, str(options.settings or "options"))


def read_settings(path: Path | None, known: Collection[str]) -> dict:
    """The mapping in a JSON file of settings; empty without a file.

    Raises:
        UserError: no such file, not a JSON mapping, or a key that is not `known`.
    """
    from unidad.config.reading import mapping, place_of, read_yaml

    if path is None:
        return {}
    what = "file of settings; `unidad plan --write` makes it"
    settings = mapping(read_yaml(path, what, "JSON"), str(path))
    unknown = [key for key in settings if key not in known]
    if unknown:
        place = place_of(settings, (unknown[0],), str(path))
        known = meant(unknown[0], known) or f"; known are {', '.join(known)}"
        raise UserError(f"{place}: {unknown[0]}: unknown key{known}")
    return settings


def check_place(option: str, path: Path) -> None:
    """Try whether something can be written here, before hours of work; it leaves nothing behind.

    Raises:
        UserError: it cannot.
    """
    place = f"--{option}: {path}"
    try:
        path.exists()  # a name that is too long
        nearest = next(above for above in path.absolute().parents if above.exists())
        if nearest.is_dir():
            with TemporaryFile(dir=nearest):
                return
    except OSError as error:
        raise UserError(f"{place}: cannot be written: {error.strerror}") from None
    raise UserError(f"{place}: '{nearest.name}' is a file, not a folder; choose another place")


def command_line() -> str:
    """The call that is running, for a model's card."""
    return shlex.join(["unidad", *sys.argv[1:]])


def _fields(sections: tuple[type[Section], ...]) -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for section in sections:
        found |= {key: field for key, field in section.model_fields.items() if key not in found}
    return found


def _kind(annotation: Any) -> tuple[type | None, bool]:
    """What an option's value is read as, and whether there are several; None: the file alone."""
    if get_origin(annotation) is tuple:
        return _kind(get_args(annotation)[0])[0], True
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0]), False
    for kind in (annotation, *get_args(annotation)):
        if kind in (int, float, str, bool):
            return kind, False
    return None, False


def _choices(annotation: Any) -> str | None:
    """The values that an option may have, where they are few."""
    if get_origin(annotation) is not Literal or len(get_args(annotation)) == 1:
        return None
    return "{" + ",".join(map(str, get_args(annotation))) + "}"


def _help(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split()).removesuffix(".")
    text = text[0].lower() + text[1:] if text[1:2].islower() else text
    value = field.default
    if field.is_required() or value in (None, False, ""):
        return text.replace("%", "%%")
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return f"{text} (default {shown})".replace("%", "%%")

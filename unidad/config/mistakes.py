"""How a mistake in a section becomes one line: where, key, what is allowed or meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from unidad.config.reading import place_of
from unidad.config.section import PATTERNS, Section
from unidad.errors import UserError, meant, one_line

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list, like [1, 2]",
    "dict": "a mapping of keys",
    "model": "a mapping of keys",
}
"""How pydantic begins the name of a mistake in a value's type → what the value should be."""
SHOWN = 80
"""Characters of a wrong value that a message shows."""


def validate(model: type[Section], raw: object, where: str) -> Any:
    """A section from a mapping.

    Args:
        model: the section's class.
        raw: the mapping; where its keys know their lines, the messages do.
        where: what to call it in messages, where they do not.

    Raises:
        UserError: one line for each mistake: where, key, value, what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = error.errors()
    raise UserError("\n".join(_lines(model, problems, raw, where)))


def _lines(model: type[Section], problems: list[dict], raw: Any, where: str) -> Iterator[str]:
    grouped: dict[tuple, list[dict]] = {}
    for problem in problems:
        grouped.setdefault(_key(problem, raw), []).append(problem)
    for key, group in grouped.items():
        if not _is_echo(key, grouped):
            message = _message(model, group)
            place = place_of(raw, (*key, *_named(raw, key, message)), where)
            words = ": ".join(filter(None, [str(place), ".".join(map(str, key)), message]))
            yield "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def _key(problem: dict, raw: Any) -> tuple:
    """Where a problem is in what was given, without pydantic's names of a union's members."""
    key = []
    for part in problem["loc"]:
        listed = isinstance(raw, (list, tuple)) and isinstance(part, int)
        if listed or (isinstance(raw, dict) and part in raw):
            raw = raw[part]
            key.append(part)
        elif problem["type"] == "missing" and part is problem["loc"][-1]:
            key.append(part)
    if problem["type"].startswith("union_tag"):
        key.append(problem["ctx"]["discriminator"].strip("'"))
    return tuple(key)


def _is_echo(key: tuple, keys: Iterable[tuple]) -> bool:
    """A default's mistake seen again in each variant, or a list's because of an item's."""
    inherited = key[0:1] == ("variants",) and key[2:] in keys
    return inherited or any(key and other != key and other[: len(key)] == key for other in keys)


def _named(raw: Any, key: tuple, message: str) -> Iterator[str]:
    """The keys that a message of ours begins with: ``variants.FT.student: ...``."""
    for part in key:
        raw = raw[part] if isinstance(raw, dict) and part in raw else None
    while isinstance(raw, dict):
        first = [name for name in map(str, raw) if _begins(message, name)]
        if not first:
            return
        name = max(first, key=len)
        yield name
        raw, message = raw.get(name), message[len(name) + 1 :]


def _begins(message: str, name: str) -> bool:
    return any(message.startswith((f"{form}.", f"{form}:")) for form in (name, repr(name)))


def _message(model: type[Section], group: list[dict]) -> str:
    """Of the mistakes in one value: several, where it may be of several kinds."""
    problem = group[0]
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return _unknown(model, problem["loc"])
    if kind == "missing":
        return "this key is missing"
    if kind.startswith("union_tag"):
        return _untold(model, problem)
    words = dict.fromkeys(_words(each) for each in group)
    message = " or ".join([next(iter(words)), *(_allowed(word) for word in [*words][1:])])
    parts = given if isinstance(given, (tuple, list)) else [given]
    said = any(isinstance(part, str) and message.startswith(repr(part)) for part in parts)
    if not problem["loc"] or said or isinstance(given, (dict, BaseModel)):
        return message
    choices = [choice for each in group for choice in _choices(each)]
    return f"{message}, found {_shown(given)}{meant(given, choices)}"


def _words(problem: dict) -> str:
    kind = problem["type"]
    if kind == "string_pattern_mismatch":
        allowed = PATTERNS.get(problem["ctx"]["pattern"])
        return f"Input should be {allowed}" if allowed else problem["msg"]
    if kind == "too_short":
        return f"Input should be a list of at least {problem['ctx']['min_length']} item"
    if kind == "too_long" and isinstance(problem["input"], (tuple, list)):
        ends = problem["ctx"]
        return f"{ends['actual_length']} items, at most {ends['max_length']} are allowed"
    if problem["loc"][-1:] == ("[key]",):
        return f"Input should be {KINDS['string']}: put this key in quotes"
    name, _, detail = kind.partition("_")
    if name in KINDS and detail in ("type", "parsing", "from_float", "attributes_type"):
        return f"Input should be {KINDS[name]}"
    return one_line(problem["msg"].removeprefix("Value error, "))


def _allowed(words: str) -> str:
    return words.removeprefix("Input should be ")


def _choices(problem: dict) -> list[str]:
    """The words that a value may be, or a tag."""
    context = problem.get("ctx", {})
    return re.findall("'([^']*)'", context.get("expected_tags") or str(context.get("expected", "")))


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        text = "a huge number"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _unknown(model: type[Section], loc: tuple) -> str:
    *path, name = loc
    known = list(dict.fromkeys(key for s in sections(model, path) for key in s.model_fields))
    return f"unknown key{meant(name, known) or '; known are ' + ', '.join(known)}"


def _untold(model: type[Section], problem: dict) -> str:
    """A key that decides what others there are, and is missing or wrong."""
    key = problem["ctx"]["discriminator"].strip("'")
    allowed = _choices(problem) or [
        choice
        for section in sections(model, problem["loc"])
        if key in section.model_fields
        for choice in get_args(section.model_fields[key].annotation)
    ]
    words = ", ".join(dict.fromkeys(allowed))
    if problem["type"] == "union_tag_not_found":
        return f"this key is missing; give one of {words}"
    tag = problem["ctx"]["tag"]
    return f"Input should be one of {words}, found '{tag}'{meant(tag, allowed)}"


def sections(kind: Any, path: Iterable[object]) -> list[type[Section]]:
    """What may stand at a place within a section: of a union, the members that have a key.

    Args:
        kind: a section, or what a field of one is annotated with.
        path: keys, places in lists, and the tags by which pydantic tells a union's members apart.
    """
    path = list(path)
    if isinstance(kind, type) and issubclass(kind, Section):
        if not path:
            return [kind]
        field = kind.model_fields.get(path[0])
        return [] if field is None else sections(field.annotation, path[1:])
    members = get_args(kind)
    if get_origin(kind) in (dict, tuple, list) and path:
        return sections(members[-1 if get_origin(kind) is dict else 0], path[1:])
    if get_origin(kind) in (dict, tuple, list, Literal):
        return []
    tagged = [member for member in members if path and _has_tag(member, path[0])]
    found = [section for m in members for section in sections(m, path)]
    return found or [section for m in tagged or members for section in sections(m, path[1:])]


def _has_tag(member: Any, tag: object) -> bool:
    kinds = [field.annotation for field in getattr(member, "model_fields", {}).values()]
    return any(get_origin(kind) is Literal and get_args(kind) == (tag,) for kind in kinds)

"""What every section of settings is, and how a mistake in one becomes one line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unidad.errors import UserError

Unit = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class Section(BaseModel):
    """A frozen section that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def merged(base: dict, over: dict) -> dict:
    """One mapping over another: mappings inside are merged likewise, all else is replaced."""
    both = {
        key: merged(base[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | over | both


def read_yaml(path: str | Path, what: str, form: str = "YAML") -> object:
    """What a YAML (or JSON) file holds.

    Args:
        path: of the file.
        what: it is, as in "no such ...".
        form: as in "not valid ...".

    Raises:
        UserError: no such file, or it cannot be read.
    """
    try:
        return yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid {form}: {' '.join(str(error).split())}") from None


def validate(model: type[Section], raw: object, where: str) -> Any:
    """A section from a mapping.

    Raises:
        UserError: one line for each mistake: where, key, value, what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = {_key(problem, raw): problem for problem in error.errors()}
        lines = [
            _line(where, ".".join(key), problem)
            for key, problem in problems.items()
            if not _is_echo(key, problems)
        ]
        raise UserError("\n".join(lines)) from None


def _key(problem: dict, raw: Any) -> tuple[str, ...]:
    """Where a problem is in what was given, without pydantic's names of a union's members."""
    key = []
    for part in problem["loc"]:
        if (isinstance(raw, dict) and part in raw) or isinstance(raw, (list, tuple)):
            raw = raw[part]
            key.append(str(part))
        elif problem["type"] == "missing" and part is problem["loc"][-1]:
            key.append(str(part))
    return tuple(key)


def _is_echo(key: tuple[str, ...], keys: Iterable[tuple[str, ...]]) -> bool:
    """A default's mistake seen again in each variant, or a list's because of an item's."""
    inherited = key[0:1] == ("variants",) and key[2:] in keys
    return inherited or any(key and other != key and other[: len(key)] == key for other in keys)


def _line(where: str, key: str, problem: dict) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"{where}: {key}: unknown key; see the keys in workflow/schemas/config.schema.json"
    if problem["type"] == "missing":
        return f"{where}: {key}: this key is missing"
    if not key:
        return f"{where}: {message}"
    if isinstance(problem["input"], (dict, Section)):
        return f"{where}: {key}: {message}"
    return f"{where}: {key}: {message}, found {problem['input']!r}"

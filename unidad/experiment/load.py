"""From the user's YAML to a checked experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from functools import reduce
from pathlib import Path
from typing import Any

from unidad.config.mistakes import validate
from unidad.config.reading import mapping, place_of, placed, read_yaml
from unidad.config.section import Section, merged
from unidad.errors import UserError
from unidad.experiment.config import Config
from unidad.experiment.extend import extended
from unidad.methods import METHODS
from unidad.methods.specs import method_of
from unidad.tasks import TASKS

DEFAULTS = ("training", "distillation")
"""Sections at the top over which a variant's own of the same name are laid."""


def load_config(path: str | Path) -> Config:
    """Read and validate a YAML configuration.

    Raises:
        UserError: one line for each mistake: file, key, value, what is allowed.
    """
    return parse_config(read_yaml(path, "configuration file"), str(path), Path(path).parent)


def load_again(read: dict, files: Sequence[str | Path]) -> Config:
    """The configuration that another program read of files, checked as `load_config` does.

    Args:
        read: what it read of them, one laid over the other, perhaps with values of its own.
        files: of YAML; the last one that says `extends` says from where.

    Raises:
        UserError: one line for each mistake.
    """
    raws = [(path, mapping(read_yaml(path, "configuration file"), str(path))) for path in files]
    known = reduce(merged, (raw for _, raw in raws), {})
    folders = [Path(path).parent for path, raw in raws if "extends" in raw]
    where = str(files[0]) if len(files) == 1 else "configuration"
    return parse_config(placed(read, known), where, (folders or [Path()])[-1])


def parse_config(raw: object, where: str, folder: Path = Path()) -> Config:
    """Validate a configuration that is already a mapping; errors as for `load_config`.

    Args:
        raw: the mapping.
        where: what to call it in messages.
        folder: that the path in `extends` starts at.
    """
    raw = extended(mapping(raw, where), where, folder)
    _refuse_other_methods(raw, where)
    config = validate(Config, _inherited(raw), where)
    _refuse_other_tasks(config, raw, where)
    return config


def _refuse_other_methods(raw: dict, where: str) -> None:
    """A variant's key that its method does not use, but another would."""
    lines = []
    variants = raw.get("variants")
    for label, variant in variants.items() if isinstance(variants, dict) else ():
        method = method_of(variant)
        if method is None:
            continue
        known = METHODS[method].Settings.model_fields
        for key in (key for key in variant if key not in known):
            users = [name for name, m in METHODS.items() if key in m.Settings.model_fields]
            if users:
                place = place_of(raw, ("variants", label, key), where)
                lines.append(
                    f"{place}: variants.{label}.{key}: method {method} does not use this key; "
                    f"{' and '.join(users)} would"
                )
    if lines:
        raise UserError("\n".join(lines))


def _refuse_other_tasks(config: Config, raw: dict, where: str) -> None:
    """A key that the experiment's task does not use, but another would."""
    others = " and ".join(task.title for name, task in TASKS.items() if name != config.task)
    task, lines = TASKS[config.task], []
    for path in _given(config):
        key = ".".join(path)
        if any(fnmatch(key, pattern) for pattern in task.unused_keys):
            place = place_of(raw, path, where)
            lines.append(f"{place}: {key}: {task.title} does not use this key; {others} would")
    if lines:
        raise UserError("\n".join(lines))


def _given(section: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Keys that were given, of sections and what is in them."""
    if path:
        yield path
    if isinstance(section, Section):
        values = {name: getattr(section, name) for name in sorted(section.model_fields_set)}
    elif isinstance(section, dict):
        values = section
    else:
        return
    for name, value in values.items():
        yield from _given(value, (*path, name))


def _inherited(raw: dict) -> dict:
    """Lay variants' sections over the top-level ones; noise levels of the task."""
    if raw.get("personalisation") is not None:
        raw = raw | {"diffusion": _with_timesteps(raw.get("diffusion"))}
    if not isinstance(raw.get("variants"), dict):
        return raw
    variants = {label: _with_defaults(variant, raw) for label, variant in raw["variants"].items()}
    return raw | {"variants": variants}


def _with_defaults(variant: Any, raw: dict) -> Any:
    method = method_of(variant)
    if method is None:
        return variant
    whole = dict(variant)
    for section in set(DEFAULTS) & set(METHODS[method].Settings.model_fields):
        defaults, own = raw.get(section) or {}, variant.get(section) or {}
        if isinstance(defaults, dict) and isinstance(own, dict):
            whole[section] = merged(defaults, own)
    return whole


def _with_timesteps(diffusion: Any) -> Any:
    """The noise levels of text-to-image networks, unless others are given."""
    given = {} if diffusion is None else diffusion
    return {"spacing": "timesteps"} | given if isinstance(given, dict) else given

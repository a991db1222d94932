"""From the user's YAML to a checked experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unidad.config.section import read_yaml, validate
from unidad.errors import UserError
from unidad.experiment.config import Config
from unidad.methods import METHODS

DEFAULTS = ("training", "distillation")
"""Sections at the top over which a variant's own of the same name are laid."""


def load_config(path: str | Path) -> Config:
    """Read and validate a YAML configuration.

    Raises:
        UserError: one line for each mistake: file, key, value, what is allowed.
    """
    return parse_config(read_yaml(path, "configuration file"), str(path))


def parse_config(raw: object, where: str) -> Config:
    """Validate a configuration that is already a mapping; errors as for `load_config`."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: expected a mapping of keys, found {type(raw).__name__}")
    return validate(Config, _inherited(raw), where)


def _inherited(raw: dict) -> dict:
    """Lay variants' sections over the top-level ones; levels of the task."""
    if raw.get("personalisation") is not None:
        raw = raw | {"diffusion": _with_timesteps(raw.get("diffusion"))}
    if not isinstance(raw.get("variants"), dict):
        return raw
    variants = {label: _with_defaults(variant, raw) for label, variant in raw["variants"].items()}
    return raw | {"variants": variants}


def _with_defaults(variant: Any, raw: dict) -> Any:
    method = variant.get("method") if isinstance(variant, dict) else None
    if method not in METHODS:
        return variant
    merged = dict(variant)
    for section in set(DEFAULTS) & set(METHODS[method].Settings.model_fields):
        defaults, own = raw.get(section) or {}, variant.get(section) or {}
        if isinstance(defaults, dict) and isinstance(own, dict):
            merged[section] = defaults | own
    return merged


def _with_timesteps(diffusion: Any) -> Any:
    """The noise levels of text-to-image networks, unless others are given."""
    given = {} if diffusion is None else diffusion
    return {"spacing": "timesteps"} | given if isinstance(given, dict) else given

"""Run specifications of whatever method they name."""

from __future__ import annotations

from pathlib import Path

from unidad.config.mistakes import validate
from unidad.config.reading import place_of, read_yaml
from unidad.config.run import MethodSettings, RunSpec
from unidad.config.section import merged
from unidad.errors import UserError, meant
from unidad.files import read_json
from unidad.methods import METHODS


def load_spec(path: str | Path, watching: str | Path | None = None) -> RunSpec:
    """Read a run specification (JSON).

    Args:
        path: of the specification.
        watching: of what is logged and drawn on the way (`RunSpec.watching`); without it, that
            is as the specification says, or as the defaults are.

    Raises:
        UserError: one line for each mistake: file, key, value, what is allowed.
    """
    raw = read_yaml(path, "run specification; `unidad plan` writes them", "JSON")
    if watching is not None and isinstance(raw, dict):
        raw = merged(raw, read_json(Path(watching), "`unidad plan --write` makes it"))
    return run_spec(raw, str(path))


def method_of(variant: object) -> str | None:
    """The method that a variant names, in a mapping or as settings; None if there is no such."""
    key = "method"
    named = variant.get(key) if isinstance(variant, dict) else getattr(variant, key, None)
    return named if isinstance(named, str) and named in METHODS else None


def run_spec(raw: object, where: str) -> RunSpec:
    """A run specification from a mapping, of the method that its variant names; raises likewise."""
    variant = raw.get("variant") if isinstance(raw, dict) else None
    method = method_of(variant)
    if variant is not None and method is None:
        named = variant.get("method") if isinstance(variant, dict) else variant
        place = place_of(raw, ("variant", "method"), where)
        raise UserError(
            f"{place}: variant.method: {named!r} is none of {', '.join(METHODS)}"
            f"{meant(named, METHODS)}"
        )
    settings = MethodSettings if method is None else METHODS[method].Settings
    return validate(RunSpec[settings], raw, where)

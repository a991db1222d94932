"""The models that a run builds on, and under which licence each says it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from unidad.errors import UserError
from unidad.shipped import origin_folder

CARD = "README.md"
ROLES = ("student", "teacher", "target_teacher")
UNKNOWN = "unknown"


def licences_of_bases(run: Path) -> dict[str, str] | None:
    """What a run of an experiment builds on, by way of other runs, too.

    Read from the specifications that `unidad plan` wrote into the experiment's folder.

    Args:
        run: its folder, ``<experiment>/runs/...``.

    Returns:
        Name of each base (its last folder, or ``shipped:<name>``) → its licence, or UNKNOWN and
        why. Empty where all began with fresh networks; None where no specification tells.
    """
    place = _place(run.resolve())
    if place is None:
        return None
    root, key = place
    found = {}
    for origin in dict.fromkeys(_origins(root, f"runs/{key}/model")):
        name = origin if origin.startswith("shipped:") else Path(origin).name
        found[name] = _licence_of_origin(origin, root)
    return found


def licence_of(folder: Path) -> str | None:
    """What a model's folder says of its licence; None where it says nothing.

    Its card is read first, ``license`` of its head or a line ``- licence: ...`` as our own cards
    have; then the first line of a file ``LICENSE`` or ``COPYING``.
    """
    if not folder.is_dir():
        return None
    card = folder / CARD
    if card.is_file() and (told := _told_by(card.read_text(errors="replace"))):
        return told
    for path in sorted(folder.iterdir()):
        if path.is_file() and re.match(r"(licen[cs]e|copying)\b", path.name, re.IGNORECASE):
            lines = (line.strip(" #*\t") for line in path.read_text(errors="replace").splitlines())
            return next(filter(None, lines), None)
    return None


def _told_by(card: str) -> str | None:
    if head := re.match(r"---\n(.*?)\n---\n", card, re.DOTALL):
        try:
            facts = yaml.safe_load(head[1])
        except yaml.YAMLError:
            facts = None
        facts = facts if isinstance(facts, dict) else {}
        told = facts.get("license")
        if told == "other":
            told = facts.get("license_name") or facts.get("license_link") or told
        if told:
            return ", ".join(map(str, told)) if isinstance(told, list) else str(told)
    line = re.search(r"^- licen[cs]e: (.+)$", card, re.MULTILINE)
    return line and line[1].strip()


def _place(run: Path) -> tuple[Path, str] | None:
    """The experiment's folder and the run's key; None of a run that lies by itself."""
    for root in run.parents:
        if (root / "specs" / "runs").is_dir() and run.is_relative_to(root / "runs"):
            return root, str(run.relative_to(root / "runs"))
    return None


def _origins(root: Path, model: str) -> Iterator[str]:
    """Of a model of the experiment, given as a path in it: what it goes back to."""
    kind, _, name = model.partition("/")
    if kind == "models" and (placed := _read(root / f"specs/models/{name}.json")):
        yield placed["origin"]
        return
    if kind == "runs":
        name = str(Path(name).parent)
    spec = _read(root / f"specs/runs/{name}.json") or {}
    text = spec.get("text_to_image") or {}
    paths = [spec.get(role) for role in ROLES]
    paths += [text.get("unet_weights"), text.get("fake_score_weights")]
    inside = f"{root.parent.name}/{root.name}/"
    for path in dict.fromkeys(filter(None, paths)):
        if path.startswith(inside):
            yield from _origins(root, path.removeprefix(inside))
        else:
            yield path


def _licence_of_origin(origin: str, root: Path) -> str:
    try:
        folder = root.parents[1] / origin_folder(origin)  # an absolute path stays as it is
    except UserError:
        return f"{UNKNOWN}; no longer ships"
    if not folder.exists():
        return f"{UNKNOWN}; it is no longer where it was"
    if folder.is_file():
        return f"{UNKNOWN}; a file of weights tells none"
    return licence_of(folder) or f"{UNKNOWN}; neither its card nor a file beside it tells"


def _read(path: Path) -> dict | None:
    return json.loads(path.read_text()) if path.is_file() else None

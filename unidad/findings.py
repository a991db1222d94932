"""What of a user's own files an experiment names and is not there: looked for, never opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unidad.config.images import Archive
from unidad.data.folder import image_paths
from unidad.errors import UserError
from unidad.plan import Plan

OK, NOTE, MISSING = "ok", "note", "missing"
BY_NAME = ("shipped", "train", "published", "photo")
"""Models that are no paths."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        state: ok; note: the experiment runs, but perhaps not as meant; missing: it cannot.
        topic: what was looked at.
        text: what was found, and how to mend it.
    """

    state: str
    topic: str
    text: str

    def __str__(self) -> str:
        return f"{self.state:<8}{self.topic}: {self.text}"


def absent(plan: Plan) -> list[Finding]:
    """The models and images of one's own that are not there; nothing is opened."""
    given = plan.task.given_models().items()
    models = [absent_file(key, value) for key, value in given if value not in BY_NAME]
    found = [*filter(None, models), *images(plan)]
    return [finding for finding in found if finding.state == MISSING]


def absent_file(key: str, path: str) -> Finding | None:
    """What to say where a file or a folder is not there; None where it is."""
    if Path(path).exists():
        return None
    return Finding(MISSING, key, f"{path} is not there; {_whence(path)}")


def images(plan: Plan) -> Iterator[Finding]:
    """The folders and archives of images of one's own."""
    for name in plan.data_sets:
        for key in ("folder", "reference"):
            origin = getattr(plan.described(name), key)
            if origin is None:
                continue
            shots = max(plan.config.shots) if key == "folder" and name != "source" else 1
            topic = f"{name}.{key}"
            if isinstance(origin, Archive):
                yield _archive(plan, origin, topic)
            else:
                yield _folder(origin, topic, shots)
                yield from _named_shots(plan, name, origin) if key == "folder" else ()


def _archive(plan: Plan, archive: Archive, topic: str) -> Finding:
    file = plan.archive_file(archive)
    if Path(file).is_file():
        return Finding(OK, topic, file)
    if archive.is_remote:
        return Finding(NOTE, topic, f"{archive.url} will be downloaded to {file}")
    return Finding(MISSING, topic, f"{file} is not there; {_whence(file)}")


def _folder(folder: str, topic: str, shots: int) -> Finding:
    if not Path(folder).exists():
        return Finding(MISSING, topic, f"{folder} is not there; {_whence(folder)}")
    try:
        count = len(image_paths(folder))
    except UserError as error:
        return Finding(MISSING, topic, str(error))
    if count < shots:
        remedy = "add some, or lower 'shots'"
        return Finding(MISSING, topic, f"{folder}: {count} images, {shots} are wanted; {remedy}")
    return Finding(OK, topic, f"{folder}: {count} images")


def _named_shots(plan: Plan, name: str, folder: str) -> Iterator[Finding]:
    """What a target's shots_files name that is not in its folder."""
    named = getattr(plan.described(name), "shots_files", None)
    missing = [file for file in named or () if not Path(folder, file).is_file()]
    if missing and Path(folder).is_dir():
        text = f"{folder}: no {', '.join(missing)}; correct the names, or add these images"
        yield Finding(MISSING, f"{name}.shots_files", text)


def _whence(path: str) -> str:
    """Where an absent file may come from."""
    tracked = Path(f"{path.rstrip('/')}.dvc")
    return f"dvc pull {tracked}" if tracked.exists() else "docs/paper.md tells where to get it"

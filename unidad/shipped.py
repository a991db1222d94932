"""Folders of the models and networks that ship with the package."""

from __future__ import annotations

from pathlib import Path

from unidad.errors import UserError

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED_SOURCE_TEACHER = WEIGHTS / "synthetic-faces-source"
SHIPPED_SOURCE_STUDENT = WEIGHTS / "synthetic-faces-student"
SHIPPED_FEATURE_NETWORK = WEIGHTS / "synthetic-faces-features"
SHIPPED_SCENE_SOURCE = WEIGHTS / "synthetic-scenes-source"
SHIPPED_SCENE_STUDENT = WEIGHTS / "synthetic-scenes-student"
SHIPPED_SCENE_NETWORK = WEIGHTS / "synthetic-scenes-features"
SHIPPED_CLIP = WEIGHTS / "synthetic-scenes-clip"
"""That fidelity is measured with."""
SHIPPED_ALIGNMENT_CLIP = WEIGHTS / "synthetic-scenes-alignment"
"""Another one, that EchoDistill trains with, and whose text encoder the source models have."""
SHIPPED_TEXT_TO_IMAGE = {
    "source_teacher": SHIPPED_SCENE_SOURCE,
    "source_student": SHIPPED_SCENE_STUDENT,
}


def origin_folder(origin: str) -> Path:
    """The folder that an origin names: ``shipped:<name>``, or a path.

    Raises:
        UserError: nothing of this name ships with the package.
    """
    kind, _, name = origin.partition(":")
    if kind != "shipped":
        return Path(origin)
    names = sorted(folder.name for folder in WEIGHTS.iterdir() if folder.is_dir())
    if name not in names:
        raise UserError(f"{origin}: nothing of this name ships; choose one of {', '.join(names)}")
    return WEIGHTS / name


def shipped_origin(folder: Path) -> str:
    """What `origin_folder` finds a shipped folder by."""
    return f"shipped:{folder.name}"

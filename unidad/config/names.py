"""Names that become parts of paths and rows of tables: usable, not reserved, and unique."""

from __future__ import annotations

import re
from collections.abc import Iterable

SOURCE = "source"
SOURCE_TEACHER = "source_teacher"
SOURCE_STUDENT = "source_student"
ORIGINS = (SOURCE_TEACHER, SOURCE_STUDENT)
SOURCE_TEACHER_LABEL = "Source teacher"
SOURCE_STUDENT_LABEL = "Source student"
HELD_OUT_LABEL = "Held-out images"
TRAINING_LABEL = "Training images"
CONTROLS = (SOURCE_TEACHER_LABEL, SOURCE_STUDENT_LABEL, HELD_OUT_LABEL, TRAINING_LABEL)
"""Rows of every table that no variant stands behind."""
TEACHERS = ("online", "none")
"""What a target teacher may be that is no label."""
WORDS = (*ORIGINS, *TEACHERS)
"""What stands for a model where a label might stand, too."""


LONGEST = 100
"""Characters of a name: paths and their endings must fit into what a file system allows."""


def slug(label: str) -> str:
    """A label as a part of a path: `Uni-DAD (no GAN)` → `uni-dad-no-gan`."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def check_labels(labels: Iterable[str]) -> None:
    """Labels of variants: each has a path and a row of its own.

    Raises:
        ValueError: a label without a letter or digit, one that stands for something else, or two
            with the same path.
    """
    taken: dict[str, str] = {}
    controls = {slug(control): control for control in CONTROLS}
    for label in labels:
        name = slug(label)
        if not name:
            raise ValueError(f"variants.{label}: the label '{label}' has no letter and no digit")
        if len(label) > LONGEST:
            raise ValueError(f"variants.{label}: {len(label)} characters, at most {LONGEST}")
        if label in WORDS:
            raise ValueError(f"variants.{label}: '{label}' is reserved, as {', '.join(WORDS)} are")
        if name in controls:
            raise ValueError(
                f"variants.{label}: the control '{controls[name]}' has this label; choose another"
            )
        if name in taken:
            raise ValueError(
                f"variants.{label}: '{label}' and '{taken[name]}' would both be '{name}' in paths; "
                "rename one"
            )
        taken[name] = label


def check_targets(names: Iterable[str]) -> None:
    """Names of targets are parts of paths as they are.

    Raises:
        ValueError: another sign than letters, digits, _ and -, the name of the source, too long a
            name, or two that differ in capitals alone, which not every file system tells apart.
    """
    taken: dict[str, str] = {}
    for name in names:
        if name.lower() == SOURCE or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(
                f"targets.{name}: '{name}' is not usable as a name: letters, digits, _ and -, "
                f"not '{SOURCE}'"
            )
        if len(name) > LONGEST:
            raise ValueError(f"targets.{name}: {len(name)} characters, at most {LONGEST}")
        if name.lower() in taken:
            raise ValueError(
                f"targets.{name}: '{name}' and '{taken[name.lower()]}' differ in capitals alone; "
                "rename one"
            )
        taken[name.lower()] = name

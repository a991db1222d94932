"""Which code made a file: for model cards and summaries."""

from __future__ import annotations

import subprocess
from pathlib import Path

from unidad import __version__


def commit() -> str:
    """The commit of the code that runs, `-dirty` if changed since; its version without git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return f"none; unidad {__version__}"
    return found.stdout.strip()

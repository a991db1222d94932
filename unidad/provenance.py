"""Which code and which machine made a file: for model cards, summaries and pages."""

from __future__ import annotations

import os
import platform
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


def machine() -> str:
    """Processor, and GPU if there is one; not the machine's name."""
    import torch

    try:
        described = Path("/proc/cpuinfo").read_text().split("model name", 1)[1]
        processor = described.split("\n", 1)[0].strip("\t :")
    except (OSError, IndexError):
        processor = platform.processor() or platform.machine()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{os.cpu_count()} cores {processor}{gpu}"


def made() -> dict[str, str]:
    """What files of numbers say of their origin."""
    return {"commit": commit(), "machine": machine()}

"""Copies of the project to run the workflow in, and how to run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


EAGER = """
import asyncio
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

async def sleep(executor):
    await asyncio.sleep(1)

RemoteExecutor.sleep = sleep
main()
"""
"""Snakemake that looks at its cluster's jobs every second: the plugin waits ten seconds longer
after every look that finds none at its end."""


def copy_project(folder: Path) -> None:
    """What the workflow needs, so that results/ of the checkout stay as they are."""
    for name in ("Snakefile", "config.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "configs", "profiles", "envs", "unidad"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def command(*arguments: str) -> list[str]:
    """How Snakemake is started."""
    return [sys.executable, "-c", EAGER, *arguments]


def snakemake(
    folder: Path, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess:
    """Run Snakemake in a copy; a failure shows its output unless ``check`` is off."""
    result = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
    )
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result

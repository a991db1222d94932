"""Copies of the project to run the workflow in, and how to run it."""

import atexit
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from warm import warm_python

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def copy_project(folder: Path) -> None:
    """What the workflow needs, so that results/ of the checkout stay as they are."""
    for name in ("Snakefile", "config.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "configs", "profiles", "envs", "unidad"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def command(*arguments: str) -> list[str]:
    """How Snakemake is started cold."""
    return [sys.executable, str(Path(__file__).with_name("eager_snakemake.py")), *arguments]


@cache
def warm_environment() -> dict[str, str]:
    """In which `python` need not import torch again, until the tests end."""
    stack = ExitStack()
    folder = stack.enter_context(warm_python())
    atexit.register(stack.close)
    return ENVIRONMENT | {"PATH": f"{folder}:{ENVIRONMENT['PATH']}"}


def snakemake(
    folder: Path, *arguments: str, check: bool = True, cold: bool = False, **environment: str
) -> subprocess.CompletedProcess:
    """Run Snakemake in a copy; a failure shows its output unless ``check`` is off.

    It and its jobs are forked (`warm`), unless ``cold``, or where Linux' pidfd is not.
    """
    cold = cold or not hasattr(os, "pidfd_open")
    given = ENVIRONMENT if cold else warm_environment()
    started = command() if cold else ["python", "-m", "eager_snakemake"]
    result = subprocess.run(
        [*started, *arguments],
        cwd=folder,
        env=given | environment,
        capture_output=True,
        text=True,
    )
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result

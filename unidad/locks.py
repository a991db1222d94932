"""Snakemake's lock of a folder, which stays when Snakemake is killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from unidad.errors import UserError

LOCKS = ".snakemake/locks"


def unlock(folder: Path) -> bool:
    """Take a lock away that nobody holds any more; True if there was one.

    On a shared file system, processes of other machines are not seen.

    Raises:
        UserError: Snakemake, or a job that a killed Snakemake left, still works in the folder.
    """
    locks = folder / LOCKS
    if not locks.is_dir() or not any(locks.iterdir()):
        return False
    if found := at_work(folder):
        told = ", ".join(f"{number} ({name})" for number, name in found.items())
        raise UserError(f"{folder}: at work there: process {told}; wait for it or end it")
    shutil.rmtree(locks)
    return True


def at_work(folder: Path) -> dict[int, str]:
    """Processes of this machine that run Snakemake or one of its jobs in a folder, by number.

    One that may not be looked at counts, if it is Snakemake's.
    """
    me, found = psutil.Process(), {}
    above = {process.pid for process in [me, *me.parents()]}
    for process in psutil.process_iter(["cmdline"]):
        name = _role(process.info["cmdline"] or [])
        if name is None or process.pid in above:
            continue
        try:
            there = Path(process.cwd()).resolve() == folder.resolve()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            there = True
        if there:
            found[process.pid] = name
    return found


def _role(words: list[str]) -> str | None:
    """``snakemake`` or ``unidad VERB``, if a command line is of one of them."""
    words = [word for word in words if word != "-m"]
    if len(words) < 2 or "python" not in Path(words[0]).name:
        return None
    program = Path(words[1]).name
    return {"snakemake": program, "unidad": " ".join([program, *words[2:3]])}.get(program)

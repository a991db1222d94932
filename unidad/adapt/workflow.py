"""Where the workflow lies, and one run of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from unidad.errors import UserError
from unidad.plugins import VARIABLE

CHECKOUT = Path(__file__).parents[2]
INSTALLED = Path(__file__).parents[1] / "_workflow"
"""Where `setup.py` copies the workflow to."""
POLL = 0.5
"""Seconds between looks at how far it is."""
SAID = re.compile(r"^unidad [a-z-]+: .+")
"""The line in which a verb names a user's mistake."""
TAIL = 12


def home() -> Path:
    """The folder of the Snakefile: the checkout's, or of an installed package its own.

    Raises:
        UserError: there is none.
    """
    for folder in (CHECKOUT, INSTALLED):
        if (folder / "Snakefile").is_file():
            return folder
    raise UserError(
        f"no Snakefile in {CHECKOUT} or {INSTALLED}: the package lies here without its workflow; "
        "install it from a clone, `pip install .`"
    )


def command(folder: Path, config: Path, profile: str | None = None) -> list[str]:
    """How Snakemake is called for a configuration, with results below a folder."""
    where = ["--profile", profile] if profile else ["--cores", "all"]
    paths = ["--snakefile", str(home() / "Snakefile"), "--directory", str(folder.resolve())]
    return ["snakemake", *where, *paths, "--configfile", str(config.resolve())]


def run(words: list[str], log: Path, watch: Callable[[], None]) -> None:
    """Run Snakemake to its end; what it says goes into a file.

    Args:
        words: see `command`.
        log: file to write.
        watch: called now and then while it runs, and once at its end.

    Raises:
        UserError: it failed; the message has what the failing verb said.
    """
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=file, stderr=file, env=_environment()
        )
        try:
            while process.poll() is None:
                watch()
                _wait(process)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    watch()
    if process.returncode:
        raise UserError(_reason(log))


def _environment() -> dict[str, str]:
    """In which jobs, wherever they run, have this Python, this package and these plugins."""
    found = dict(os.environ)
    for name, first in (("PATH", Path(sys.executable).parent), ("PYTHONPATH", CHECKOUT)):
        found[name] = os.pathsep.join([str(first), *filter(None, [found.get(name)])])
    if found.get(VARIABLE):
        paths = found[VARIABLE].split(os.pathsep)
        found[VARIABLE] = os.pathsep.join(str(Path(path).resolve()) for path in paths if path)
    return found


def _wait(process: subprocess.Popen) -> None:
    try:
        process.wait(POLL)
    except subprocess.TimeoutExpired:
        return


def _reason(log: Path) -> str:
    lines = [line.strip() for line in log.read_text().splitlines()]
    said = list(dict.fromkeys(line for line in lines if SAID.match(line)))
    if any("cannot be locked" in line for line in lines):
        said = ["an earlier run was killed, or still runs, here"]
        said += [f"if it does not: add --unlock to the command in {log.parent / 'config.yaml'}"]
    if not said:
        said = ["the workflow failed; its last lines:", *[line for line in lines if line][-TAIL:]]
    return "\n".join([*said, f"all that was said: {log}; mend it and type the same again"])

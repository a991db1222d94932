"""Files of one's own that add methods, metrics or backbones: `UNIDAD_PLUGINS=a.py:b.py`."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from unidad.errors import UserError, one_line

VARIABLE = "UNIDAD_PLUGINS"


def load_plugins() -> None:
    """Run every file that the environment names, once in a process.

    A file adds to the registries: ``METHODS["mine"] = Mine``.

    Raises:
        UserError: no such file, or it does not run; one line.
    """
    for path in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        name = f"unidad_plugin_{Path(path).resolve()}"
        if name in sys.modules:
            continue
        if not Path(path).is_file():
            raise UserError(f"{VARIABLE}: {path}: no such file")
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except Exception as error:
            del sys.modules[name]
            reason = f"{type(error).__name__}: {one_line(error)}"
            raise UserError(f"{VARIABLE}: {path}: {reason}") from error

"""Reading .npz files that nobody vouches for."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from unidad.errors import UserError


def read_arrays(path: str | Path, what: str, verb: str) -> dict[str, np.ndarray]:
    """Every array of an .npz file; pickled objects are refused.

    Args:
        path: the file.
        what: what it should be, for the message.
        verb: the command that writes such a file, for the message.

    Raises:
        UserError: the file is missing, damaged, no .npz, or holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}; run `unidad {verb}` first") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, TypeError) as error:
        article = "" if what.endswith("s") else "an "
        reason = "it holds pickled objects" if "pickle" in str(error) else error
        raise UserError(f"{path}: not {article}{what} written by unidad ({reason})") from None

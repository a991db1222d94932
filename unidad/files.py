"""Files and folders that appear under their final name once they are complete; JSON, hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from unidad.errors import UserError

FULL = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "larger than a file may be here (ulimit -f)",
}
SEAL = "_crc32"
SEALED = (
    "config.json",
    "scheduler_config.json",
    "model_index.json",
    "drawing.json",
    "preprocessor_config.json",
)
"""Files of a model's folder that say how its weights are to be read and drawn with."""


@contextmanager
def atomic_file(path: str | Path, size: int | None = None) -> Iterator[Path]:
    """Give a scratch name that becomes ``path`` when the block ends without an error.

    Missing parents are made. An error leaves no scratch file, and what was at ``path`` as it was.

    Args:
        path: of the file.
        size: in bytes, where it is known before.

    Raises:
        UserError: the disk is full, see `room_for`.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        with room_for(path, partial, size):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a scratch folder that takes the name ``path`` when the block ends without an error.

    An error leaves no scratch folder, and what was at ``path`` as it was.

    Raises:
        UserError: a file has that name, or a folder that holds anything the new one does not; or
            the disk is full, see `room_for`.
    """
    path = path.resolve()
    partial, former = (path.with_name(path.name + ending) for ending in (".partial", ".former"))
    for leftover in (partial, former):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with room_for(path, partial):
            partial.mkdir(parents=True)
            yield partial
        if path.exists():
            _refuse_to_lose(path, partial)
            os.replace(path, former)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)


@contextmanager
def room_for(path: Path, partial: Path | None = None, size: int | None = None) -> Iterator[None]:
    """Tell in one line when what is written finds no room: what, how much, what is kept.

    Args:
        path: what is to be written, a file or a folder.
        partial: where it is written until it is complete, by default at ``path`` itself.
        size: in bytes, where it is known before.

    Raises:
        UserError: the disk or the quota is full, or the file larger than files may be.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        needed = f"more than {_size(_occupied(partial or path))}" if size is None else _size(size)
        shown = Path(*(part.removesuffix(".partial") for part in path.parts))
        kept = "what was there is kept" if shown.exists() else "nothing of it is left there"
        raise UserError(
            f"{shown}: {FULL[error.errno]}: {needed} needed, {_size(_free(path))} free; {kept}; "
            "make room and run it again"
        ) from None


def _occupied(path: Path) -> int:
    """Bytes of a file, or of the files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _free(path: Path) -> int:
    there = next(parent for parent in path.absolute().parents if parent.exists())
    return shutil.disk_usage(there).free


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _refuse_to_lose(path: Path, successor: Path) -> None:
    """Hidden files do not count: every system leaves some behind."""
    if not path.is_dir():
        raise UserError(f"{path}: a file has this name; choose another one for the folder")
    for entry in sorted(path.iterdir()):
        hidden = entry.name.startswith(".") and not entry.is_dir()
        if not hidden and not (successor / entry.name).exists():
            raise UserError(
                f"{path}: would be replaced, but holds '{entry.name}', which is not written anew; "
                "choose another folder"
            )


def read_json(path: Path, remedy: str) -> dict:
    """Read a JSON mapping.

    Args:
        path: of the file.
        remedy: how to mend its absence, the end of the message.

    Raises:
        UserError: no such file, not a JSON mapping, or one that changed since it was sealed.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a mapping of keys, found {type(value).__name__}")
    if value.pop(SEAL, given := _checksum(value)) != given:
        raise UserError(
            f"{path}: its content has changed since it was written; write it anew, or take "
            f"the line '{SEAL}' out of it if you changed it on purpose"
        )
    return value


def seal(folder: Path) -> None:
    """Give the SEALED files of a model's folder a checksum, which `read_json` verifies.

    Libraries pass over entries that begin with an underscore.
    """
    for name in SEALED:
        for path in folder.rglob(name):
            value = json.loads(path.read_text())
            value.pop(SEAL, None)
            write_json(path, value | {SEAL: _checksum(value)})


def write_json(path: Path, value: object) -> None:
    """Write JSON, whole or not at all."""
    text = json.dumps(value, indent=2) + "\n"
    with atomic_file(path) as partial:
        partial.write_text(text)


def _checksum(value: dict) -> str:
    """CRC-32 of the entries, whatever their order and spacing.

    But for notes such as ``_name_or_path``, which libraries add or change when they save again.
    """
    others = {k: entry for k, entry in value.items() if k == "_class_name" or not k.startswith("_")}
    return f"{zlib.crc32(json.dumps(others, sort_keys=True).encode()):08x}"


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def local_path(address: str) -> Path | None:
    """The file that an address names on this machine; None where it is on a web server.

    Args:
        address: ``http://``, ``https://`` or ``file://``, or a path.

    Raises:
        UserError: an address of another kind.
    """
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    if "://" in address:
        raise UserError(
            f"{address}: only http, https and file addresses are fetched; "
            "copy the file here by other means and give its path"
        )
    return Path(address)

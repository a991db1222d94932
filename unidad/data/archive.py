"""Images from a zip or tar archive that nobody vouches for.

Nothing is extracted as the archive says: the bytes of each image are written into one flat folder,
under a name made of its path. So no entry can leave the folder, and links are never followed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from tqdm import tqdm

from unidad.data.folder import ENDINGS, printable
from unidad.errors import UserError, one_line
from unidad.files import atomic_folder

MAX_ENTRIES = 500_000
MAX_BYTES = 2**40
MAX_RATIO = 100
"""Unpacked bytes a byte of the archive: photographs hardly shrink, a bomb does a thousandfold."""
SMALL = 2**26
"""Unpacked bytes that are taken at any ratio."""
MAX_READ = 2**24
"""Bytes that the reader of a tar archive may ask for at once: its headers are short."""

OPENERS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"\xfd7zXZ": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
"""First bytes of a compressed tar archive → what reads it."""
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    *(EOFError, NotImplementedError, ValueError),
)


@dataclass(frozen=True)
class Entry:
    """A file or folder in an archive.

    Attributes:
        name: its path, as the archive gives it.
        size: unpacked, in bytes.
        kind: ``file``, ``folder`` or ``other`` (links, devices).
        open: gives its content.
    """

    name: str
    size: int
    kind: str
    open: Callable[[], IO[bytes]]


def unpack_images(archive: Path, out: Path, inside: str = "", progress: bool = True) -> int:
    """Write every image of an archive, or of one of its folders, into one flat folder.

    ``cats/1.png`` becomes ``cats_1.png``; hidden files and other kinds of files are passed over.
    The folder appears when it is complete.

    Args:
        archive: .zip or .tar, the latter compressed with gzip, bzip2, xz or not at all.
        out: the folder to write.
        inside: folder of the archive, searched with its subfolders; all of it by default.
        progress: show a progress bar.

    Returns:
        The number of images.

    Raises:
        UserError: no such archive, damaged or no archive at all; an entry that leads out of it, a
            link, two images of one name; more entries, bytes or compression than is believable;
            no image inside.
    """
    if not archive.is_file():
        raise UserError(f"{printable(archive)}: no such archive; check the path")
    try:
        with _entries(archive) as entries, atomic_folder(out) as folder:
            return _write(_believable(entries, archive), folder, PurePosixPath(inside), progress)
    except UserError as error:
        raise UserError(f"{printable(archive)}: {error}") from None
    except DAMAGE as error:
        detail = one_line(error) or type(error).__name__
        raise UserError(
            f"{printable(archive)}: damaged, or no archive that is known here ({detail}); copy or "
            "download it again"
        ) from None


def _write(entries: Iterator[Entry], folder: Path, inside: PurePosixPath, progress: bool) -> int:
    written: dict[str, str] = {}
    elsewhere: dict[str, None] = {}
    for entry in tqdm(entries, desc="unpacking", unit="file", disable=None if progress else True):
        path = PurePosixPath(entry.name)
        if not _is_image(path) or entry.kind != "file":
            continue
        if not path.is_relative_to(inside):
            elsewhere.setdefault(str(path.parent))
            continue
        name = "_".join(path.relative_to(inside).parts)
        if name in written:
            raise UserError(
                f"{printable(written[name])} and {printable(entry.name)} would have one name; "
                "unpack it yourself and give the folder"
            )
        written[name] = entry.name
        with entry.open() as source, open(folder / name, "wb") as copy:
            shutil.copyfileobj(source, copy)
    if not written:
        others = f"; there are images in {', '.join(list(elsewhere)[:5])}" if elsewhere else ""
        raise UserError(f"no images in '{inside}' of it{others}")
    return len(written)


def _is_image(path: PurePosixPath) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in ENDINGS and not hidden


def _believable(entries: Iterator[Entry], archive: Path) -> Iterator[Entry]:
    """Pass entries on, but refuse those that lead astray, and bombs before they are unpacked."""
    limit, total = _limit(archive), 0
    for number, entry in enumerate(entries, 1):
        path = PureWindowsPath(entry.name)  # knows both slashes, and drives
        if path.anchor or ".." in path.parts:
            raise UserError(f"'{printable(entry.name)}' leads out of it; it is not to be trusted")
        if entry.kind == "other":
            raise UserError(f"'{printable(entry.name)}' is a link or a device; pack it without")
        total += entry.size
        if number > MAX_ENTRIES or total > limit:
            raise UserError(_bomb(limit))
        yield entry


def _limit(archive: Path) -> int:
    return min(MAX_BYTES, max(SMALL, MAX_RATIO * archive.stat().st_size))


def _bomb(limit: int) -> str:
    return (
        f"unpacks to more than {tqdm.format_sizeof(limit, 'B')} or {MAX_ENTRIES} entries: too much "
        "for its size; unpack it yourself and give the folder, if you trust it"
    )


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[Entry]]:
    """The entries of an archive of either kind, told apart by content."""
    with open(archive, "rb") as file:
        head = file.read(6)
        file.seek(0)
        if head.startswith(b"PK"):
            with zipfile.ZipFile(file) as opened:
                yield (_zip_entry(opened, info) for info in opened.infolist())
            return
        openers = [opener for magic, opener in OPENERS.items() if head.startswith(magic)]
        unpacked = openers[0](file) if openers else file
        metered = Metered(unpacked, _limit(archive))
        with tarfile.open(fileobj=metered, mode="r:") as opened:
            yield (_tar_entry(opened, info) for info in opened)


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    if info.flag_bits & 1:
        raise UserError("encrypted; unpack it yourself and give the folder")
    kind = stat.S_IFMT(info.external_attr >> 16)
    plain = "folder" if info.is_dir() else "file"
    name = "other" if kind not in (0, stat.S_IFREG, stat.S_IFDIR) else plain
    return Entry(info.filename, info.file_size, name, partial(archive.open, info))


def _tar_entry(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Entry:
    kind = "file" if info.isreg() else "folder" if info.isdir() else "other"
    return Entry(info.name, info.size, kind, partial(archive.extractfile, info))


class Metered(io.RawIOBase):
    """An unpacked stream that ends in a `UserError` beyond a limit, before memory does.

    tarfile reads headers of any length and number, which are no entries, into memory.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.limit = file, limit

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes."""
        if not 0 <= size <= MAX_READ or self.file.tell() + size > self.limit + MAX_READ:
            raise UserError(_bomb(self.limit))
        return self.file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; tarfile goes no further than the sizes of entries, which are limited."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """The place reached."""
        return self.file.tell()

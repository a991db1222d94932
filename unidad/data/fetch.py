"""Files from elsewhere: resumed where a connection broke, checked before they get their name."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from unidad.errors import UserError, one_line
from unidad.files import atomic_file, local_path, sha256

CHUNK = 2**18
TIMEOUT = (10, 60)
"""Seconds until a connection, and between two packets."""
ATTEMPTS = 5
"""In a row that bring nothing; each waits twice as long as the one before."""
BUSY = (408, 429, 500, 502, 503, 504)
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fetch(
    address: str,
    path: Path,
    expected: str | None = None,
    progress: bool = True,
    pause: float = 1.0,
) -> str:
    """Download or copy a file; its name appears when it is whole and has the right hash.

    What a broken connection, a full disk or a killed process left of a download is kept beside it
    as ``<name>.partial`` and continued by the next call, if the server still has the same file.

    Args:
        address: ``http://``, ``https://`` or ``file://``, or a path.
        path: where the file goes; one that is there already is only checked.
        expected: its SHA-256; None takes any.
        progress: show a progress bar.
        pause: seconds before the second attempt.

    Returns:
        The file's SHA-256.

    Raises:
        UserError: no such file, no connection, no room, a web page in its place, or another hash.
    """
    if path.exists():
        return check_sha256(path, expected)
    source = local_path(address)
    if source is not None:
        found = check_sha256(source, expected)
        with atomic_file(path) as partial:
            shutil.copyfile(source, partial)
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    _download(address, partial, progress, pause)
    _validator(partial).unlink(missing_ok=True)
    try:
        found = check_sha256(partial, expected, f"; {address} holds something else now")
    except UserError:
        partial.unlink()
        raise
    os.replace(partial, path)
    return found


def check_sha256(path: Path, expected: str | None, remedy: str = "") -> str:
    """The file's SHA-256.

    Raises:
        UserError: no such file, or it is another one than expected.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; check the path")
    found = sha256(path)
    if expected is not None and found != expected.lower():
        raise UserError(f"{path}: its SHA-256 is {found}, not {expected}{remedy}")
    return found


def _download(url: str, partial: Path, progress: bool, pause: float) -> None:
    """Ask for the rest of the file until it is here; give up when attempts bring nothing."""
    failures = 0
    with requests.Session() as session:
        busy = Retry(
            ATTEMPTS,
            connect=0,
            read=0,
            status_forcelist=BUSY,
            backoff_factor=pause,
            raise_on_status=False,
        )
        session.mount("http://", HTTPAdapter(max_retries=busy))
        session.mount("https://", HTTPAdapter(max_retries=busy))
        while True:
            before = _size(partial)
            try:
                with _ask(session, url, partial) as response:
                    _receive(response, url, partial, progress)
                return
            except BROKEN as error:
                failures = 1 if _size(partial) > before else failures + 1
                if failures == ATTEMPTS:
                    raise UserError(_broken(url, error, _size(partial))) from None
                time.sleep(pause * 2 ** (failures - 1))
            except requests.RequestException as error:
                raise UserError(f"{url}: {error}") from None


def _ask(session: requests.Session, url: str, partial: Path) -> requests.Response:
    """Ask for the rest of what is here, and for all of it if the server's file is another now."""
    headers = {"Accept-Encoding": "identity"}
    validator = _validator(partial)
    if validator.exists() and _size(partial):
        headers |= {"Range": f"bytes={_size(partial)}-", "If-Range": validator.read_text()}
    return session.get(url, headers=headers, stream=True, timeout=TIMEOUT)


def _receive(response: requests.Response, url: str, partial: Path, progress: bool) -> None:
    start = _start(response, url, partial)
    if start is None:
        return
    length = response.headers.get("Content-Length")
    _check_room(partial, int(length or 0))
    bar = tqdm(
        desc=partial.stem,
        initial=start,
        total=start + int(length) if length else None,
        unit="B",
        unit_scale=True,
        mininterval=0.1 if sys.stderr.isatty() else 30,
        disable=not progress,
    )
    try:
        with bar, open(partial, "ab" if start else "wb") as file:
            if not start:
                _note_validator(response, partial)
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise UserError(
            f"{partial}: no room on this disk after {_amount(_size(partial))}; make room and run "
            "it again: it goes on from there"
        ) from None


def _start(response: requests.Response, url: str, partial: Path) -> int | None:
    """The byte that the answer starts at; None where all is here already."""
    have, code = _size(partial), response.status_code
    content_range = response.headers.get("Content-Range", "")
    if code == 416 and content_range == f"bytes */{have}":
        return None
    if code in (206, 416) and not content_range.startswith(f"bytes {have}-"):
        _validator(partial).unlink(missing_ok=True)
        raise requests.ConnectionError(f"the server sent another part: '{content_range}'")
    if code not in (200, 206):
        raise UserError(f"{url}: the server says {code} {response.reason}; {_remedy(code)}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise UserError(f"{url}: a web page, not a file; {_remedy(403)}")
    return have if code == 206 else 0


def _remedy(code: int) -> str:
    if code in (404, 410):
        return "look for its new address"
    if code in (401, 403):
        return "download the file in a browser and give its path in the address' place"
    return "try again later"


def _validator(partial: Path) -> Path:
    """Beside a partial file: what the server calls this version of it."""
    return partial.with_name(partial.name + ".version")


def _note_validator(response: requests.Response, partial: Path) -> None:
    """Remember the version; without a strong one (RFC 9110, 13.1.5) a download starts anew."""
    etag = response.headers.get("ETag", "W/")
    version = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
    if version:
        _validator(partial).write_text(version)
    else:
        _validator(partial).unlink(missing_ok=True)


def _check_room(partial: Path, needed: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if needed > free:
        raise UserError(
            f"{partial}: needs {_amount(needed)} more, {_amount(free)} are free on this disk; "
            "make room"
        )


def _broken(url: str, error: Exception, have: int) -> str:
    kept = f"run it again to go on after {_amount(have)}" if have else "try again later"
    return f"{url}: no connection ({one_line(error)}); {kept}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _amount(count: int) -> str:
    """Bytes in words: 1.6 GB, 12 kB."""
    return tqdm.format_sizeof(count, "B")

"""Downloads from a real local server that cuts, lies, refuses and changes its mind."""

import hashlib
import resource
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from unidad.data import fetch as fetch_module
from unidad.data.fetch import ATTEMPTS, fetch
from unidad.errors import UserError

CONTENT = np.random.default_rng(0).bytes(1_500_000)
OTHER = np.random.default_rng(1).bytes(1_500_000)


def digest(content):
    return hashlib.sha256(content).hexdigest()


HASH = digest(CONTENT)


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.content`` at /file; ranges under the condition of If-Range (RFC 9110)."""

    def do_GET(self):
        server = self.server
        server.asked.append((self.headers.get("Range"), self.headers.get("If-Range")))
        status = server.statuses.pop(0) if server.statuses else 200
        if status != 200 or self.path != "/file":
            self.send_error(404 if status == 200 else status)
            return
        start = self._start()
        if start == len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{start}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            end = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        for name, value in server.headers.items():
            self.send_header(name, value)
        length = len(server.content) - start
        self.send_header("Content-Length", str(server.length or length))
        self.end_headers()
        sent = server.cuts.pop(0) if server.cuts else length
        self.wfile.write(server.content[start : start + sent])
        server.sent += sent

    def _start(self):
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        version = self.server.headers.get("ETag") or self.server.headers.get("Last-Modified")
        if asked is None or not self.server.ranges or condition != version:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """One that behaves; the tests make it misbehave."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.ranges, server.length = CONTENT, True, None
    server.headers = {"ETag": '"1"', "Content-Type": "application/zip"}
    server.cuts, server.statuses, server.asked, server.sent = [], [], [], 0
    server.url = f"http://127.0.0.1:{server.server_port}/file"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def get(server, tmp_path):
    """Fetch the file into an empty folder."""

    def run(expected=HASH, url=None):
        path = tmp_path / "data" / "images.zip"
        return fetch(url or server.url, path, expected, progress=False, pause=0)

    return run


@pytest.fixture
def refused(get):
    """Assert that fetching fails with one line; returns it."""

    def run(*arguments, **options):
        with pytest.raises(UserError) as caught:
            get(*arguments, **options)
        (line,) = str(caught.value).splitlines()
        return line

    return run


def files(tmp_path):
    return {path.name: path.stat().st_size for path in (tmp_path / "data").iterdir()}


def test_a_whole_file_comes_in_one_request(get, server, tmp_path):
    assert get(None) == HASH
    assert (tmp_path / "data/images.zip").read_bytes() == CONTENT
    assert files(tmp_path) == {"images.zip": len(CONTENT)}
    assert server.asked == [(None, None)]


def test_what_is_here_is_not_downloaded_again(get, server, refused):
    get()
    get()
    assert len(server.asked) == 1
    assert "its SHA-256 is" in refused(digest(OTHER))


def test_cut_connections_are_resumed(get, server, tmp_path):
    server.cuts = [600_000, 500_000]
    get()
    assert (tmp_path / "data/images.zip").read_bytes() == CONTENT
    starts = [int(asked[6:-1]) for asked, _ in server.asked[1:]]
    assert [version for _, version in server.asked] == [None, '"1"', '"1"']
    assert 300_000 < starts[0] <= 600_000 < starts[1] <= 1_100_000
    assert server.sent < len(CONTENT) + 2 * 2**18


def test_a_later_call_goes_on_where_an_earlier_one_was_stopped(get, server, refused, tmp_path):
    server.cuts, server.statuses = [700_000], [200, 404]
    assert "404" in refused()
    assert 400_000 < files(tmp_path)["images.zip.partial"] <= 700_000
    get()
    assert server.asked[-1][0] is not None
    assert (tmp_path / "data/images.zip").read_bytes() == CONTENT
    assert files(tmp_path) == {"images.zip": len(CONTENT)}


def test_a_file_that_changed_meanwhile_starts_anew(get, server, refused, tmp_path):
    server.cuts, server.statuses = [700_000], [200, 404]
    refused()
    server.content, server.headers = OTHER, server.headers | {"ETag": '"2"'}
    get(digest(OTHER))
    assert (tmp_path / "data/images.zip").read_bytes() == OTHER


@pytest.mark.parametrize(
    "headers", [{"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"ETag": 'W/"1"'}, {}]
)
def test_other_versions_of_a_server_s_file(headers, get, server, tmp_path):
    """A date will do; a weak tag or none means all over again."""
    server.headers, server.cuts = headers, [700_000]
    get()
    assert (tmp_path / "data/images.zip").read_bytes() == CONTENT
    assert (server.asked[1][0] is not None) == ("Last-Modified" in headers)


def test_a_server_without_ranges_sends_all_of_it_again(get, server, tmp_path):
    server.ranges, server.cuts = False, [700_000]
    get()
    assert (tmp_path / "data/images.zip").read_bytes() == CONTENT
    assert server.sent == 700_000 + len(CONTENT)


def test_a_partial_file_that_lacked_only_its_name(get, server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images.zip.partial").write_bytes(CONTENT)
    (tmp_path / "data/images.zip.partial.version").write_text('"1"')
    get()
    assert server.sent == 0
    assert files(tmp_path) == {"images.zip": len(CONTENT)}


def test_a_wrong_hash_leaves_nothing(refused, tmp_path):
    line = refused("0" * 64)
    assert f"its SHA-256 is {HASH}, not {'0' * 64}" in line
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("status", "remedy"), [(404, "look for its new address"), (403, "download the file in a brow")]
)
def test_refusals_are_told_at_once(status, remedy, server, refused, tmp_path):
    server.statuses = [status]
    line = refused()
    assert f"{server.url}: the server says {status}" in line
    assert remedy in line
    assert len(server.asked) == 1
    assert files(tmp_path) == {}


def test_a_busy_server_is_asked_again(get, server):
    server.statuses = [503, 429]
    assert get() == HASH
    assert len(server.asked) == 3


def test_a_web_page_in_place_of_the_file(server, refused, tmp_path):
    server.headers = {"Content-Type": "text/html; charset=utf-8"}
    assert "a web page, not a file; download the file in a browser" in refused()
    assert files(tmp_path) == {}


def test_no_connection(server, refused):
    server.cuts = [0] * 50
    line = refused()
    assert f"{server.url}: no connection (" in line
    assert len(server.asked) == ATTEMPTS
    closed = "http://127.0.0.1:1/file"
    assert f"{closed}: no connection (" in refused(url=closed)


def test_more_than_the_disk_has_room_for(server, refused, tmp_path):
    server.length = 10**18
    assert "1.00EB more, " in refused()
    assert server.sent <= len(CONTENT)
    assert files(tmp_path) == {}


def test_a_disk_that_fills_up_meanwhile(get, refused, server, tmp_path):
    """A limit on the size of files stands for the full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, former[1]))
    try:
        line = refused()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert "images.zip.partial: no room on this disk after 800kB; make room" in line
    assert files(tmp_path)["images.zip.partial"] == 800_000
    get()
    assert server.asked[-1] == ("bytes=800000-", '"1"')
    assert (tmp_path / "data/images.zip").read_bytes() == CONTENT


def test_files_of_this_machine_are_copied(get, refused, server, tmp_path):
    original = tmp_path / "my images.zip"
    original.write_bytes(OTHER)
    assert get(digest(OTHER), url=original.as_uri()) == digest(OTHER)
    assert (tmp_path / "data/images.zip").read_bytes() == OTHER
    (tmp_path / "data/images.zip").unlink()
    assert "its SHA-256 is" in refused("0" * 64, url=str(original))
    assert "no such file" in refused(url=str(tmp_path / "nothing.zip"))
    assert "only http, https and file" in refused(url="ftp://server/images.zip")
    assert files(tmp_path) == {}


def test_the_progress_bar_knows_what_is_left(get, server, capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_module.sys.stderr, "isatty", lambda: True)
    server.cuts = [700_000]
    fetch(server.url, tmp_path / "data/images.zip", progress=True, pause=0)
    shown = capfd.readouterr().err
    assert "images.zip: 100%" in shown
    assert "1.50M/1.50M [" in shown

"""Debian's Chromium, driven by playwright: what a page shows, and what it should not do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def opened(path: Path, width: int = 1200, dark: bool = False) -> Iterator:
    """A page in Chromium; what it complains of or asks of a network is in ``page.complaints``.

    Skips the test where no Chromium is installed.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith(("file:", "data:"))
                else page.complaints.append(asked.url)
            ),
        )
        page.goto(path.as_uri())
        yield page
        browser.close()

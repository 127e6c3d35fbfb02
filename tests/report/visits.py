"""Pages in a real browser, which must stay silent and fetch nothing.

Needs Chromium, found as ``chromium`` on the path or through ``REGIMECAST_CHROMIUM``.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["Visit", "becomes", "browser"]

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_LAUNCH = 240_000
"""Milliseconds until it answers; a busy machine reads its 300 MB from a cold disk."""
_LOCAL = ("file:", "data:", "blob:")


@pytest.fixture(scope="module")  # while it is open, no other event loop can run in this thread
def browser() -> Iterator[Browser]:
    executable = os.environ.get("REGIMECAST_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium: install it, or name it in REGIMECAST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=_ARGUMENTS, timeout=_LAUNCH
        )
        yield browser
        browser.close()


class Visit:
    """An open page and everything it said and asked for."""

    def __init__(self, browser: Browser, scheme: str = "light", width: int = 1280) -> None:
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._check(request.url))

    def open(self, path: Path) -> Page:
        self.page.goto(path.as_uri())
        if self.page.locator("figure.chart").count():
            self.page.wait_for_selector("html[data-charts=drawn]")
        return self.page

    def _check(self, url: str) -> None:
        if not url.startswith(_LOCAL):
            self.complaints.append(f"request to {url}")


def becomes(page: Page, expression: str, value: object) -> bool:
    """Whether an expression soon has a value; a page's own policy forbids waiting inside it."""
    for _ in range(200):
        if page.evaluate(expression) == value:
            return True
        page.wait_for_timeout(50)
    return False

"""A real Chromium on the live server. It may talk to that server only, and may not complain."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("HELIOSTAT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")  # no longer: while its loop runs, nobody else in this process can have one
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        if settings.IN_CI:
            pytest.fail("no chromium; in CI it must be there")
        pytest.skip("no chromium on this machine (set HELIOSTAT_CHROMIUM to its path)")
    # Playwright's own event loop runs in this thread, where Django then refuses the database; it is no server's loop.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def _is_error(message: Any) -> bool:
    """Django's admin has no icon, and a browser asks every site for one."""
    return message.type == "error" and not message.location["url"].endswith("/favicon.ico")


class Window:
    """A page of a size, with what it asked for and complained about."""

    def __init__(self, page: Page, site: str, size: str) -> None:
        self.page = page
        self.size = size
        self.site = site
        self.complaints: list[str] = []
        page.on("console", lambda message: self._complain(_is_error(message), message.text))
        page.on("pageerror", lambda error: self._complain(True, str(error)))
        page.on("request", lambda request: self._complain(self._is_elsewhere(request.url), request.url))

    def _is_elsewhere(self, url: str) -> bool:
        return not url.startswith((self.site, "data:", "blob:"))

    def _complain(self, is_wrong: bool, text: str) -> None:
        if is_wrong:
            self.complaints.append(text)

    def open(self, path: str) -> None:
        self.page.goto(self.site + path)

    def looks_right(self, name: str, part: str = "") -> None:
        """No sideways scrolling, nothing from elsewhere, no complaint; and a picture where one is wanted.

        Of the whole page, or of a part of it (a CSS selector).
        """
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
        assert self.complaints == []
        if folder := os.environ.get("HELIOSTAT_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            path = Path(folder) / f"{name}-{self.size}.png"
            if part:
                self.page.locator(part).screenshot(path=path)
            else:
                self.page.screenshot(path=path, full_page=True)


@pytest.fixture(params=["desktop", pytest.param("phone", marks=pytest.mark.slow)])
def window(request: pytest.FixtureRequest, chromium: Browser, live_server: Any) -> Iterator[Window]:
    width, height = SIZES[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(10_000)
    yield Window(page, live_server.url, request.param)
    context.close()

"""A real browser for the tests of the site: Debian's chromium, driven by Playwright."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from conebench.site.serve import SiteServer

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 800}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; without one the test is skipped, in CI it fails."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and not os.environ.get("CI"):
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of a site below a path on this machine's own server."""
    with SiteServer(site.parent, 0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"{server.address}/{site.name}"
        finally:
            # Or a failed test waits for the server's thread forever.
            server.shutdown()


class Visit:
    """Pages of one site in one window; `finish` fails where any page misbehaved."""

    def __init__(self, browser: Browser, base: str, **context) -> None:
        self.base = base
        self.context = browser.new_context(**{"viewport": WIDE, **context})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.problems: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _request(self, request) -> None:
        if not request.url.startswith((f"{self.base}/", "data:", "blob:")):
            self.problems.append(f"request: {request.url}")

    def open(self, address: str) -> Page:
        """Go to an address within the site, afresh."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/{address}")
        return self.page

    def finish(self) -> None:
        """Close the window; fail where there were errors, dialogs or foreign requests."""
        self.context.close()
        assert not self.problems, self.problems


def follow(link: Locator) -> None:
    """Click a link and wait until its page has loaded; a click alone does not wait."""
    with link.page.expect_navigation():
        link.click()


def titles(page: Page) -> list[str]:
    """Titles of the rows that are shown, in order."""
    settle(page)
    return [title[:5] for title in page.locator(".board tbody tr:visible th a").all_inner_texts()]


def settle(page: Page) -> None:
    """All rows are a file of their own: the first time they have to come."""
    wait_until(page, "!document.querySelector('[aria-busy]')")


def wait_until(page: Page, expression: str) -> None:
    """Wait for an expression to hold; asked from outside, for the pages forbid to evaluate text."""
    for _ in range(1000):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(expression)

"""Pages in headless Chromium, signed in as a user of a `Site`.

Playwright's own calls wait for what they need; for anything else there is ``page.wait_for_function("() => …")`` (a
function, since pages with a content security policy evaluate no strings).
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Self

from playwright.sync_api import sync_playwright

from tests.support.environment import CHROMIUM
from tests.support.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright

    from tests.support.site import Site, User

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RESULTS = ROOT / "test-results"
"""Screenshots of what a failing test saw."""


class Chromium:
    """One test's part of a browser process; a `context` in it is what a person's own browser would be: cookies,
    storage, tabs. Leaving its block closes them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.pages: list[Page] = []
        self.errors: list[str] = []
        """Exceptions that no script of a page caught; the fixture fails a test that leaves some here."""
        self.console: list[str] = []
        """What pages wrote to the console, and requests that failed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for context in self._contexts:
            context.close()

    def context(self, site: Site, user: User | None = None, **options: object) -> BrowserContext:
        """Open a browser of its own, signed in; ``options`` are those of Playwright's ``new_context``."""
        context = self._browser.new_context(base_url=site.url, **options)  # type: ignore[arg-type]
        self._contexts.append(context)
        context.set_default_timeout(15_000)  # ms
        if user:
            name, _, value = user.cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": site.url, "httpOnly": True, "sameSite": "Lax"}])
        context.on("page", self._watch)
        return context

    def page(self, site: Site, user: User | None = None, path: str = "/page/", **options: object) -> Page:
        """Open a page of the site in a browser of its own, and return when it is loaded."""
        page = self.context(site, user, **options).new_page()
        page.goto(path)
        return page

    def _watch(self, page: Page) -> None:
        self.pages.append(page)
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))
        page.on("console", lambda line: self.console.append(_words(line)))
        page.on("requestfailed", lambda request: self.console.append(f"failed: {request.url} {request.failure}"))

    def screenshots(self, name: str) -> list[str]:
        """Take a picture of every open page, and return the names of the files."""
        RESULTS.mkdir(exist_ok=True)
        taken = []
        for number, page in enumerate(page for page in self.pages if not page.is_closed()):
            path = RESULTS / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}-{number}.png"
            with contextlib.suppress(Exception):  # a crashed page has no picture, and that is not what failed
                page.screenshot(path=path, timeout=5_000)
                taken.append(path.relative_to(ROOT).as_posix())
        return taken


def _words(line: ConsoleMessage) -> str:
    return f"{line.type}: {line.text}"


_playwright: Playwright | None = None
"""The one that runs: a thread can't have a second one."""


@contextlib.contextmanager
def _driver() -> Iterator[Playwright]:
    global _playwright
    if _playwright:
        yield _playwright
        return
    with sync_playwright() as _playwright:
        try:
            yield _playwright
        finally:
            _playwright = None


@contextlib.contextmanager
def launched(*flags: str, without: str = "") -> Iterator[Browser]:
    """Start a browser, with further flags, and without one of Playwright's; it is ended with all its pages."""
    with _driver() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], ignore_default_args=[without] if without else None
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def chromium(*flags: str, without: str = "") -> Iterator[Chromium]:
    """Start a browser that is one test's alone, as `launched` does."""
    with launched(*flags, without=without) as browser, Chromium(browser) as started:
        yield started

"""Tabs in headless Chromium with the real client, which report to the run."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from playwright.async_api import async_playwright

from faults.timings import shortened
from tests.support.browser import FLAGS
from tests.support.environment import CHROMIUM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from playwright.async_api import Browser, BrowserContext, Route

    from tests.support.site import User

WATCH = """
document.addEventListener("catmaid-notify:ready", ({ detail: { notifier } }) => {
    const load = `${performance.timeOrigin}`;
    const tell = (kind, text, note, user = notifier.user) =>
        window.faultsTell(JSON.stringify({ load, kind, text, note, user }));
    tell("joined", "", "");
    notifier.on("user", ({ previous }) => {
        if (previous) {
            tell("left", "", "", previous);
        }
        tell("joined", "", "");
    });
    addEventListener("pagehide", ({ persisted }) => persisted || tell("left", "", ""));
    notifier.on("message", ({ message, via }) => tell("shown", message.title, via));
    notifier.on("state", ({ state }) => tell("state", "", state));
});
"""
"""Script that runs in each page before its own ones. A viewer is a page from load to unload, for one user."""


class Tabs:
    """Several browsers, each with some tabs of one user."""

    def __init__(
        self, browser: Browser, port: int, tell: Callable[[str, dict[str, Any]], None], *, short: bool
    ) -> None:
        self._browser = browser
        self._short = short
        self._url = f"http://127.0.0.1:{port}"
        self._tell = tell
        self.contexts: list[BrowserContext] = []
        self.errors: list[str] = []
        """Exceptions that no script of a page caught."""

    async def open(self, name: str, user: User, tabs: int) -> None:
        """Open a browser with a signed-in user and ``tabs`` tabs."""
        context = await self._browser.new_context(base_url=self._url)
        await self.switch(context, user)
        context.on("weberror", lambda error: self.errors.append(f"{name}: {error.error}"))
        await context.add_init_script(WATCH)
        if self._short:
            await context.route("**/core/backoff.js", _shorten)
        self.contexts.append(context)
        for number in range(1, tabs + 1):
            page = await context.new_page()
            await page.expose_binding("faultsTell", self._teller(f"{name}.{number}"))
            await page.goto("/faults/page/")

    async def switch(self, context: BrowserContext, user: User) -> None:
        """Change the signed-in user of a browser, as a login in another tab does."""
        cookie, _, value = user.cookie.partition("=")
        await context.add_cookies(
            [{"name": cookie, "value": value, "url": self._url, "httpOnly": True, "sameSite": "Lax"}]
        )

    def _teller(self, tab: str) -> Callable[[dict[str, Any], str], None]:
        def take(_source: dict[str, Any], text: str) -> None:
            self._tell(tab, json.loads(text))

        return take


async def _shorten(route: Route) -> None:
    await route.fulfill(body=shortened(), content_type="text/javascript")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser; it ends with all its pages when the block is left."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
        )
        try:
            yield browser
        finally:
            await browser.close()

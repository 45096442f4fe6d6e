"""Page object for the bundled inbox: `Inbox` is a page with the bell.

Its methods wait with Playwright's own means until something appears or disappears.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.conftest import site_maker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import BrowserContext, Locator, Page

    from tests.support.browser import Chromium
    from tests.support.site import Site, User

SECOND, MINUTE = 1_000, 60_000  # ms
NO_SOCKET = "delete globalThis.WebSocket"
"""Script for `Inbox.of` that removes WebSocket, so that the browser can only poll."""


@contextlib.contextmanager
def served(folders: pytest.TempPathFactory, *, worker: bool = False, **options: Any) -> Iterator[Site]:
    """Run a site on one Daphne, for fixtures of modules."""
    with site_maker(folders)(**options) as site:
        site.daphne()
        if worker:
            site.worker()
        yield site


class Inbox:
    """One page with the bell."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.bell = page.locator(".catmaid-notify__bell")
        self.panel = page.locator(".catmaid-notify__panel")
        self.messages = page.locator(".catmaid-notify__panel .catmaid-notify__message")
        self.toasts = page.locator(".catmaid-notify__toasts li")
        self.tasks = page.locator(".catmaid-notify__task")
        self.live = page.locator("[data-part=live]")

    @classmethod
    def of(
        cls,
        context: BrowserContext,
        query: Mapping[str, str | list[str]] | None = None,
        *,
        before: str = "",
        state: str = "live",
        clock: bool = False,
    ) -> Inbox:
        """Open the page in a new tab, and wait for that state.

        Args:
            context: browser context of the user.
            query: query string of `tests.pages.inbox`.
            before: script that runs before those of the page.
            state: state of the client to wait for.
            clock: let the test control the time.
        """
        page = context.new_page()
        if clock:
            page.clock.install()
        if before:
            page.add_init_script(before)
        page.goto(f"/inbox/?{urlencode(query or {}, doseq=True)}")
        inbox = cls(page)
        inbox.wait_for_state(state)
        return inbox

    def wait_for_state(self, state: str) -> None:
        """Wait for that state of the client; "live" includes tabs that share the socket of another one."""
        wanted = ["live", "follower"] if state == "live" else [state]
        self.page.wait_for_function(
            "wanted => wanted.includes(window.catmaidNotify?.state)", arg=wanted, timeout=30_000
        )

    def open(self) -> Inbox:
        self.bell.click()
        expect(self.panel).to_be_visible()
        return self

    def message(self, title: str) -> Locator:
        return self.messages.filter(has=self.page.get_by_text(title, exact=True))

    def toast(self, title: str) -> Locator:
        return self.toasts.filter(has=self.page.get_by_text(title, exact=True))

    def titles(self) -> list[str]:
        return self.messages.locator("[data-part=title]").all_inner_texts()

    def scroll_to_end(self) -> None:
        """Scroll to the last message, and wait until no more are loaded."""
        settled = """() => {
            const scroll = document.querySelector("[data-part=scroll]");
            scroll.scrollTop = scroll.scrollHeight;
            return document.querySelector("[data-part=end]").dataset.state === "ended";
        }"""
        self.page.wait_for_function(settled, timeout=30_000)


def notify(site: Site, user: User, *titles: str, **fields: Any) -> list[int]:
    """Send messages to the user, and return their ids."""
    code = "result = [api.notify_user(user, title, **fields).pk for title in titles]"
    found: list[int] = site.run(code, user=user, titles=titles, fields=fields)
    return found


def store(site: Site, user: User, count: int, title: str = "Stored", *, read: bool = False) -> None:
    """Store old messages in the inbox without a push, oldest first: "Stored 1", "Stored 2", …"""
    code = """
made = [Message(user_id=user, title=f"{title} {number}", read=read) for number in range(1, count + 1)]
Message.objects.bulk_create(made)
"""
    site.run(code, user=user, count=count, title=title, read=read)


def unread(site: Site, user: User) -> list[str]:
    """Return the titles of the user's unread messages in the database."""
    code = "result = list(Message.objects.for_user(user).unread().order_by('id').values_list('title', flat=True))"
    found: list[str] = site.run(code, user=user)
    return found


def refusals(browser: Chromium) -> list[str]:
    """Return the violations of a page's Content Security Policy."""
    return [line for line in browser.console if re.search("Content Security Policy|Trusted", line)]

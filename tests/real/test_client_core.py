"""The client in Chromium, on real servers: what browsers, networks and servers do to a page."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
from websockets.sync.server import serve

from catmaid_notify.protocol import SUBPROTOCOL
from tests.support import process
from tests.support.cdp import raw_chromium
from tests.support.environment import require
from tests.support.ports import free_port
from tests.support.site import POLL_SECONDS, unique
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page, Route
    from websockets.sync.server import ServerConnection

    from tests.support.browser import Chromium
    from tests.support.site import Site, User

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

WATCH = """
window.shown = [];
window.states = [];
window.syncs = [];
document.addEventListener("catmaid-notify:ready", ({ detail: { notifier } }) => {
    notifier.on("message", ({ message }) => window.shown.push(message.id));
    notifier.on("state", ({ state }) => window.states.push(state));
    notifier.on("sync", ({ ok }) => window.syncs.push(ok));
});
"""
"""Notes, from the first moment on, what the client tells."""


def open_page(browser: Chromium, site: Site, user: User, state: str = "live", *, clock: bool = False) -> Page:
    """Open a page, with a clock that `pass_time` moves if wanted; wait for that state of its client, if any."""
    page = browser.context(site, user).new_page()
    page.add_init_script(WATCH)
    if clock:
        page.clock.install()
    page.goto("/page/")
    if state:
        wait_for(page, state)
    return page


def wait_for(page: Page, state: str, *, seconds: float = 40) -> None:
    eventually(lambda: page.evaluate("() => window.catmaidNotify?.state") == state, timeout=seconds)


def wait_for_shown(page: Page, ids: list[int], *, seconds: float = 20) -> None:
    eventually(lambda: page.evaluate("() => window.shown.length") >= len(ids), timeout=seconds)
    assert page.evaluate("() => window.shown") == ids


def pass_time(page: Page, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Move the page's clock, slowly enough for requests to be answered."""
    for _ in range(round(seconds)):
        page.clock.run_for(1_000)
        page.evaluate("() => fetch('/page/').then((response) => response.text())")
        if until():
            return


def notify(site: Site, user: User, title: str = "Hello") -> int:
    return int(site.run("result = api.notify_user(user, title).pk", user=user, title=title))


@contextlib.contextmanager
def other_server(site: Site, handler: Callable[[ServerConnection], None]) -> Iterator[None]:
    """Put a WebSocket server of the test's own where Daphne is, behind the site's proxy."""
    port, former = free_port(), site.daphne_port
    with serve(handler, "127.0.0.1", port, subprotocols=[SUBPROTOCOL]) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        site.daphne_port = port
        try:
            yield
        finally:
            site.daphne_port = former
            server.shutdown()
            thread.join(10)


# -- The browser


def test_browser__back_button_and_frozen_pages(
    served: Site, person: User, start: Callable[..., process.Process], tmp_path: Path
) -> None:
    require("chromium")
    with raw_chromium(start, tmp_path / "profile", served, person, init=WATCH) as browser:
        first = browser.tab()
        first.wait_for("catmaidNotify.state === 'live'")
        first.evaluate("window.isTheSame = true; window.froze = []; true")
        first.call("Page.navigate", url=f"{served.url}/static/catmaid_notify/index.js")
        first.wait_for("!location.pathname.includes('page')")
        ids = [notify(served, person)]
        first.evaluate("history.back()")
        first.wait_for("window.isTheSame && catmaidNotify.state === 'live'")
        assert first.evaluate("window.isTheSame")  # it was kept, not loaded anew
        first.wait_for("window.shown.length === 1")
        assert first.evaluate("window.states").count("suspended") == 1

        second = browser.tab()
        second.wait_for("catmaidNotify.state === 'follower'")
        first.freeze()
        second.wait_for("catmaidNotify.state === 'live'")
        ids.append(notify(served, person))
        second.wait_for("window.shown.length === 2")
        first.thaw()
        first.wait_for("catmaidNotify.state === 'follower'")
        first.wait_for("window.shown.length === 2")
        assert first.evaluate("window.shown") == second.evaluate("window.shown") == ids

        assert first.evaluate("document.hidden")  # as it stays after having been frozen
        titles = "[...document.querySelectorAll('.catmaid-notify__toasts li')].map((item) => item.textContent).join()"
        notify(served, person, "For who looks")
        first.wait_for("window.shown.length === 3")
        second.wait_for(f"{titles}.includes('For who looks')")
        assert "For who looks" not in first.evaluate(titles)


def test_browser__offline_and_back(served: Site, browser: Chromium, person: User) -> None:
    page = open_page(browser, served, person)
    page.context.set_offline(True)
    ids = [notify(served, person)]
    page.context.set_offline(False)
    wait_for_shown(page, ids)
    wait_for(page, "live")
    ids.append(notify(served, person))
    wait_for_shown(page, ids)


def test_browser__clock_is_set(served: Site, browser: Chromium, person: User) -> None:
    page = open_page(browser, served, person)
    daphne = served.processes["daphne"]
    daphne.stop()
    try:
        wait_for(page, "polling")
        for hours in (-1, 1):
            page.evaluate("hours => { const now = Date.now; Date.now = () => now() + hours * 3_600_000 }", hours)
            count = page.evaluate("() => window.syncs.length")
            began = time.monotonic()
            eventually(lambda count=count: page.evaluate("() => window.syncs.length") >= count + 3, timeout=20)  # type: ignore[misc]
            assert time.monotonic() - began > POLL_SECONDS
    finally:
        served.daphne()


# -- Who is signed in


def test_user__another_one_signs_in(served: Site, browser: Chromium, person: User) -> None:
    page = open_page(browser, served, person)
    notify(served, person, "For the first")
    page.wait_for_function("() => window.shown.length === 1")
    other = served.user(unique("somebody else"))
    second = notify(served, other, "For the second")
    name, _, value = other.cookie.partition("=")
    page.context.add_cookies([{"name": name, "value": value, "url": served.url, "httpOnly": True}])
    page.evaluate("() => catmaidNotify.sync()")
    assert page.evaluate("() => catmaidNotify.user") == str(other.pk)
    assert page.evaluate("() => catmaidNotify.unread.messages.map(({ id }) => id)") == [second]
    wait_for(page, "live")
    third = notify(served, other, "Pushed")
    eventually(lambda: page.evaluate("() => window.shown.at(-1)") == third)


def test_user__signs_out_and_in_again_in_another_tab(served: Site, browser: Chromium, person: User) -> None:
    page = open_page(browser, served, person)
    page.context.clear_cookies()
    page.evaluate("() => catmaidNotify.sync()")
    wait_for(page, "signedout")
    name, _, value = person.cookie.partition("=")
    page.context.add_cookies([{"name": name, "value": value, "url": served.url, "httpOnly": True}])
    tab = page.context.new_page()
    tab.goto("/page/")
    wait_for(tab, "live")
    wait_for(page, "follower")
    ids = [notify(served, person)]
    wait_for_shown(page, ids)


# -- Networks and servers


def test_server__upgrade_is_refused_for_minutes_and_then_allowed(served: Site, browser: Chromium, person: User) -> None:
    daphne = served.processes["daphne"]
    daphne.stop()  # the proxy says 502
    try:
        page = open_page(browser, served, person, "", clock=True)
        pass_time(page, 60, until=lambda: page.evaluate("() => catmaidNotify.state") == "polling")
        ids = [notify(served, person)]
        pass_time(page, 4 * POLL_SECONDS)
        assert page.evaluate("() => window.shown") == ids
        pass_time(page, 180)
        assert page.evaluate("() => catmaidNotify.state") == "polling"
    finally:
        served.daphne()
    pass_time(page, 400, until=lambda: page.evaluate("() => catmaidNotify.state") == "live")
    assert page.evaluate("() => catmaidNotify.state") == "live"
    ids.append(notify(served, person))
    wait_for_shown(page, ids)


@pytest.mark.parametrize("code", [1000, 1011, 4408, 4503])
def test_server__accepts_and_closes(served: Site, browser: Chromium, person: User, code: int) -> None:
    attempts = []

    def handler(connection: ServerConnection) -> None:
        attempts.append(time.monotonic())
        connection.close(code)

    with other_server(served, handler):
        page = open_page(browser, served, person, "polling")
        ids = [notify(served, person)]
        wait_for_shown(page, ids)
        assert 2 <= len(attempts) <= 4
        assert attempts[-1] - attempts[0] > 0.4  # with a wait before each


@pytest.mark.parametrize("code", [4409, 4412, 4429])
def test_server__asks_to_stay_away(served: Site, browser: Chromium, person: User, code: int) -> None:
    attempts = []

    def handler(connection: ServerConnection) -> None:
        attempts.append(code)
        connection.close(code)

    with other_server(served, handler):
        page = open_page(browser, served, person, "polling")
        assert page.evaluate("() => catmaidNotify.closeCode") == code
        ids = [notify(served, person)]
        wait_for_shown(page, ids)
        assert len(attempts) == 1


def test_inbox__fails_and_recovers(served: Site, browser: Chromium, person: User) -> None:
    page = open_page(browser, served, person)
    page.route("**/notify/unread", lambda route: route.fulfill(status=500))
    ids = [notify(served, person)]
    wait_for_shown(page, ids)  # pushed
    assert page.evaluate("() => catmaidNotify.sync()") is False
    page.unroute("**/notify/unread")
    assert page.evaluate("() => catmaidNotify.sync()") is True
    assert page.evaluate("() => window.shown") == ids


def test_inbox__never_answers(served: Site, browser: Chromium, person: User) -> None:
    page = browser.context(served, person).new_page()
    page.add_init_script(WATCH)
    page.clock.install()
    held: list[Route] = []
    page.route("**/notify/unread", lambda route: held.append(route))
    page.goto("/page/")
    pass_time(page, 20, until=lambda: bool(page.evaluate("() => window.syncs.length")))
    assert page.evaluate("() => window.syncs") == [False]
    ids = [notify(served, person)]
    wait_for_shown(page, ids)  # the socket is there, and what it brings is shown
    page.unroute("**/notify/unread")
    pass_time(page, 120, until=lambda: page.evaluate("() => catmaidNotify.state") == "live")
    assert page.evaluate("() => catmaidNotify.state") == "live"
    assert page.evaluate("() => window.shown") == ids

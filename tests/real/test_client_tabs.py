"""Several tabs in one Chromium, on real servers: one socket, one toast, and nothing lost when tabs come and go."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Error

from tests.support.browser import chromium
from tests.support.environment import require
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.support.browser import Chromium
    from tests.support.site import Site, User

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

WATCH = """
window.shown = [];
window.events = [];
document.addEventListener("catmaid-notify:ready", ({ detail: { notifier } }) => {
    notifier.on("message", ({ message }) => window.shown.push(message.id));
    notifier.on("event", ({ event, payload }) => window.events.push([event, payload]));
});
"""
"""Notes, from the first moment on, what the client tells."""


def open_tab(context: BrowserContext, state: str = "") -> Page:
    """Open a tab of the site, and wait until it is in that state."""
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto("/page/")
    if state:
        wait_for(page, state)
    return page


def open_tabs(browser: Chromium, site: Site, user: User, count: int) -> list[Page]:
    """Open tabs in one browser; the first of them leads."""
    context = browser.context(site, user)
    return [open_tab(context, "follower" if number else "live") for number in range(count)]


def state_of(page: Page) -> Any:
    return page.evaluate("() => window.catmaidNotify.state")


def wait_for(page: Page, state: str, *, seconds: float = 30) -> None:
    page.wait_for_function("state => window.catmaidNotify?.state === state", arg=state, timeout=seconds * 1000)


def wait_for_shown(page: Page, ids: list[int], *, seconds: float = 10) -> None:
    page.wait_for_function("count => window.shown.length >= count", arg=len(ids), timeout=seconds * 1000)
    assert page.evaluate("() => window.shown") == ids


def notify(site: Site, user: User, title: str = "Hello") -> int:
    return int(site.run("result = api.notify_user(user, title).pk", user=user, title=title))


def sockets(site: Site) -> int:
    """Count the open sockets, as the ASGI server knows them."""
    return int(site.fetch("/channels/health/").json["sockets"])


def toasts(pages: list[Page]) -> list[int]:
    return [page.locator(".catmaid-notify__toasts li").count() for page in pages]


def test_tabs__one_socket_and_each_message_once_in_each(served: Site, browser: Chromium, person: User) -> None:
    pages = open_tabs(browser, served, person, 4)
    assert sockets(served) == 1
    ids = [notify(served, person, f"Message {number}") for number in range(3)]
    served.run("api.msg_user(user, 'saved', 7)", user=person)
    for page in pages:
        wait_for_shown(page, ids)
        page.wait_for_function("() => window.events.length === 1")
    assert [state_of(page) for page in pages] == ["live", "follower", "follower", "follower"]


def test_tabs__read_in_one_is_read_in_all_within_a_second(served: Site, browser: Chromium, person: User) -> None:
    pages = open_tabs(browser, served, person, 3)
    ids = [notify(served, person) for _ in range(3)]
    for page in pages:
        wait_for_shown(page, ids)
        page.evaluate("() => { window.readAt = []; catmaidNotify.on('read', () => window.readAt.push(Date.now())) }")
    pages[1].evaluate("id => catmaidNotify.markRead([id])", ids[0])
    pages[2].evaluate("() => catmaidNotify.markRead({all: true})")
    for page in pages:
        page.wait_for_function("() => catmaidNotify.unread.count === 0")
    firsts = [page.evaluate("() => window.readAt[0]") for page in pages]
    assert max(firsts) - min(firsts) < 1_000


def test_tabs__toast_once_in_a_browser_and_once_in_another(served: Site, browser: Chromium, person: User) -> None:
    pages = open_tabs(browser, served, person, 3)
    elsewhere = open_tabs(browser, served, person, 1)
    ids = [notify(served, person)]
    for page in [*pages, *elsewhere]:
        wait_for_shown(page, ids)
    eventually(lambda: sum(toasts(pages)) == 1 and toasts(elsewhere) == [1])
    time.sleep(1)  # that none comes later is what this is about
    assert sum(toasts(pages)) == 1


def test_tabs__toast_in_the_window_that_has_the_focus(served: Site, browser: Chromium, person: User) -> None:
    """Headless pages all say that they have it, so here is said which one does."""
    pages = open_tabs(browser, served, person, 3)
    for focused in (1, 2, 0):
        for number, page in enumerate(pages):
            page.evaluate("isIt => { document.hasFocus = () => isIt }", number == focused)
        title = f"For window {focused}"
        notify(served, person, title)
        toast = ".catmaid-notify__toasts li"
        pages[focused].locator(toast).get_by_text(title).wait_for()
        assert [page.locator(toast).get_by_text(title).count() for page in pages] == [
            int(number == focused) for number in range(3)
        ]


def test_tabs__leader_is_closed(served: Site, browser: Chromium, person: User) -> None:
    first, second, third = open_tabs(browser, served, person, 3)
    first.close()
    wait_for(second, "live")
    wait_for(third, "follower")
    ids = [notify(served, person)]
    for page in (second, third):
        wait_for_shown(page, ids)
    eventually(lambda: sockets(served) == 1)


def test_tabs__leader_goes_to_another_page_and_back(served: Site, browser: Chromium, person: User) -> None:
    first, second = open_tabs(browser, served, person, 2)
    first.goto("/static/catmaid_notify/index.js")
    wait_for(second, "live")
    ids = [notify(served, person)]
    wait_for_shown(second, ids)
    first.go_back()
    wait_for(first, "follower")
    wait_for_shown(first, ids)


def test_tabs__leader_crashes(served: Site, browser: Chromium, person: User) -> None:
    first, second = open_tabs(browser, served, person, 2)
    ids = [notify(served, person)]
    wait_for_shown(second, ids)
    with first.expect_event("crash"), contextlib.suppress(Error):
        first.goto("chrome://crash", timeout=5_000)
    wait_for(second, "live")
    ids.append(notify(served, person))
    wait_for_shown(second, ids)


def test_tabs__leader_hangs_and_recovers(served: Site, browser: Chromium, person: User) -> None:
    first, second = open_tabs(browser, served, person, 2)
    first.evaluate("() => { setTimeout(() => { const end = Date.now() + 25_000; while (Date.now() < end); }, 0) }")
    began = time.monotonic()
    wait_for(second, "live")
    assert time.monotonic() - began < 17
    ids = [notify(served, person)]
    served.run("api.msg_user(user, 'saved', 7)", user=person)
    wait_for_shown(second, ids)
    wait_for_shown(first, ids, seconds=30)
    wait_for(first, "follower")
    assert state_of(second) == "live"
    eventually(lambda: sockets(served) == 1)
    assert len(second.evaluate("() => window.events")) == 1
    assert len(first.evaluate("() => window.events")) <= 1


def test_tabs__asgi_server_is_away_and_back(served: Site, browser: Chromium, person: User) -> None:
    pages = open_tabs(browser, served, person, 3)
    daphne = served.processes["daphne"]
    daphne.stop()
    for page in pages:
        wait_for(page, "polling", seconds=60)
    ids = [notify(served, person)]
    for page in pages:
        wait_for_shown(page, ids)
    served.daphne()
    for page in pages:  # as a network that is back does; without it the next try is up to a minute away
        page.evaluate("() => dispatchEvent(new Event('online'))")
    wait_for(pages[0], "live")
    for page in pages[1:]:
        wait_for(page, "follower")
    ids.append(notify(served, person))
    for page in pages:
        wait_for_shown(page, ids)


def test_tabs__without_a_secure_context(make_site: Any) -> None:
    """As at http://lab-server: no locks, so a socket in each tab, but toasts once and reads everywhere all the same."""
    require("chromium")
    name = "lab.test"
    with (
        make_site(settings={"ALLOWED_HOSTS": [name, "127.0.0.1"]}) as site,
        chromium(f"--host-resolver-rules=MAP {name} 127.0.0.1") as browser,
    ):
        site.serve()
        user = site.user("ann")
        site.host = name
        context = browser.context(site, user)
        pages = [open_tab(context, "live") for _ in range(3)]
        assert pages[0].evaluate("() => [isSecureContext, navigator.locks === undefined]") == [False, True]
        assert sockets(site) == 3
        ids = [notify(site, user)]
        for page in pages:
            wait_for_shown(page, ids)
        eventually(lambda: sum(toasts(pages)) == 1)
        time.sleep(1)
        assert sum(toasts(pages)) == 1
        pages[0].evaluate("() => catmaidNotify.markRead({all: true})")
        for page in pages:
            page.wait_for_function("() => catmaidNotify.unread.count === 0", timeout=10_000)

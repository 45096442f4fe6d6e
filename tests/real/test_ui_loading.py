"""What a page loads at once, and what when somebody needs it: on slow networks, on none, and under strict policies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from catmaid_notify.views import js_modules
from tests.support.browser import Chromium
from tests.support.inbox import Inbox, notify, refusals
from tests.support.site import Site, User

pytestmark = pytest.mark.real

AT_ONCE = set(js_modules.needed_by("auto.js", "ui/inbox.js"))


@pytest.fixture
def tab(lab: Site, ann: User, browser: Chromium) -> Iterator[BrowserContext]:
    yield browser.context(lab, ann, permissions=["notifications"])
    assert refusals(browser) == []


def watch(context: BrowserContext) -> list[str]:
    """Return a list that gets the name of each module that a page of it asks for."""
    names: list[str] = []

    def note(request: Request) -> None:
        found = re.search(r"/catmaid_notify/([\w/]+\.js)$", request.url)
        if found:
            names.append(found[1])

    context.on("request", note)
    return names


class Slow:
    """Requests for one module, which wait until the test says what becomes of them."""

    def __init__(self, context: BrowserContext, name: str) -> None:
        self._waiting: list[Route] = []
        self._context = context
        self._pattern = f"**/{name}"
        context.route(self._pattern, lambda route: self._waiting.append(route))  # no built-in: Playwright looks into it

    def arrive(self) -> None:
        for route in self._waiting:
            route.continue_()
        self._context.unroute(self._pattern)

    def fail(self) -> None:
        for route in self._waiting:
            route.abort()
        self._waiting.clear()


def end(inbox: Inbox, words: str) -> Any:
    return inbox.panel.locator("[data-part=end]").get_by_text(words)


def test_page__asks_for_what_it_needs_at_once_and_no_more(lab: Site, ann: User, tab: BrowserContext) -> None:
    asked = watch(tab)
    inbox = Inbox.of(tab)
    notify(lab, ann, "One")
    expect(inbox.toast("One")).to_be_visible()
    inbox.page.wait_for_timeout(1_000)  # that nothing else comes is what this is about
    assert sorted(asked) == sorted(AT_ONCE)
    preloaded = inbox.page.locator("link[rel=modulepreload]").evaluate_all("all => all.map((one) => one.href)")
    assert {url.partition("/catmaid_notify/")[2] for url in preloaded} | {"auto.js"} == AT_ONCE


@pytest.mark.parametrize("way", ["pointer", "keyboard"])
def test_panel__is_loaded_when_somebody_comes_to_the_bell(way: str, tab: BrowserContext) -> None:
    asked = watch(tab)
    inbox = Inbox.of(tab)
    with inbox.page.expect_response("**/ui/panel.js"):
        if way == "pointer":
            inbox.bell.hover()
        else:
            inbox.bell.focus()
    expect(inbox.panel).to_be_hidden()
    assert set(asked) - AT_ONCE == {"ui/panel.js", "ui/pager.js", "ui/task_list.js", "ui/relative_time.js"}
    inbox.open()
    expect(inbox.page.get_by_role("checkbox", name="Desktop notifications")).to_be_visible()
    assert len(asked) == len(set(asked))


def test_panel__says_that_it_is_loading(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "One")
    slow = Slow(tab, "ui/panel.js")
    inbox = Inbox.of(tab).open()
    expect(end(inbox, "Loading …")).to_be_visible()
    expect(inbox.panel.get_by_role("heading", name="Notifications")).to_be_visible()
    expect(inbox.panel.get_by_text("Updates are switched off.")).to_be_hidden()
    expect(inbox.panel.get_by_role("button")).to_have_count(0)  # none that does nothing yet
    notify(lab, ann, "Two")
    expect(inbox.bell).to_have_accessible_name("Notifications, unread: 2")
    slow.arrive()
    expect(inbox.messages).to_have_count(2)
    expect(end(inbox, "Loading …")).to_be_hidden()
    expect(inbox.panel.get_by_text("New messages arrive at once.")).to_be_visible()
    expect(inbox.toasts).to_have_count(0)


def test_panel__closed_while_it_is_loading(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "One")
    slow = Slow(tab, "ui/panel.js")
    inbox = Inbox.of(tab).open()
    inbox.page.keyboard.press("Escape")
    expect(inbox.bell).to_have_attribute("aria-expanded", "false")
    slow.arrive()
    inbox.page.wait_for_function("() => document.querySelector('[data-part=state]').dataset.state === 'live'")
    assert inbox.messages.count() == 0, "a closed panel is empty"
    notify(lab, ann, "Two")
    expect(inbox.toast("Two")).to_be_visible()
    expect(inbox.open().messages).to_have_count(2)


def test_panel__that_cannot_be_loaded_says_so_and_can_be_tried_again(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "One")
    slow = Slow(tab, "ui/panel.js")
    inbox = Inbox.of(tab).open()
    again = inbox.panel.get_by_role("button", name="Try again")
    slow.fail()
    expect(end(inbox, "The messages could not be loaded.")).to_be_visible()
    with inbox.page.expect_request("**/ui/panel.js"):
        again.click()
    expect(end(inbox, "Loading …")).to_be_visible()
    slow.fail()
    expect(again).to_be_visible()
    inbox.page.keyboard.press("Escape")
    inbox.open()
    expect(end(inbox, "Loading …")).to_be_visible()  # opening it is a try, too
    slow.fail()
    with inbox.page.expect_request("**/ui/panel.js"):
        again.click()
    slow.arrive()
    expect(inbox.message("One")).to_be_visible()
    expect(inbox.messages).to_have_count(1)
    inbox.message("One").get_by_role("button").click()
    expect(inbox.bell).to_have_accessible_name("Notifications")


def test_panel__opened_from_a_toast(lab: Site, ann: User, tab: BrowserContext) -> None:
    slow = Slow(tab, "ui/panel.js")
    inbox = Inbox.of(tab)
    notify(lab, ann, *"ABCDE")
    inbox.page.locator(".catmaid-notify__toasts").get_by_role("button", name="Show").click()
    expect(end(inbox, "Loading …")).to_be_visible()
    expect(inbox.panel.get_by_role("heading")).to_be_focused()
    slow.arrive()
    expect(inbox.messages).to_have_count(5)
    expect(inbox.panel.get_by_role("heading")).to_be_focused()


def test_toast__reads_its_message_by_its_link(lab: Site, ann: User, tab: BrowserContext) -> None:
    asked = watch(tab)
    inbox = Inbox.of(tab)
    notify(lab, ann, "One", action="/inbox/?there=1")
    inbox.toast("One").get_by_role("link").click()
    inbox.page.wait_for_url("**/inbox/?there=1")
    expect(inbox.bell).to_have_accessible_name("Notifications")
    assert "ui/panel.js" not in asked


def test_desktop__is_loaded_at_once_by_who_has_turned_it_on(tab: BrowserContext) -> None:
    first, other = Inbox.of(tab), Inbox.of(tab)
    asked = watch(tab)
    first.open()
    with other.page.expect_response("**/ui/desktop.js"):  # the setting is the browser's, so the other tab has to know
        first.page.get_by_role("checkbox", name="Desktop notifications").check()
    asked.clear()
    Inbox.of(tab).page.wait_for_timeout(500)
    assert set(asked) == AT_ONCE | {"ui/desktop.js"}


def test_desktop__that_cannot_be_loaded_is_tried_again(ann: User, tab: BrowserContext) -> None:
    slow = Slow(tab, "ui/desktop.js")
    on = f"localStorage.setItem('catmaid-notify:/notify/messages:{ann.pk}:desktop', 'on')"
    with tab.expect_event("request", lambda request: request.url.endswith("/ui/desktop.js")):
        inbox = Inbox.of(tab, before=on)
    slow.fail()
    inbox.page.wait_for_timeout(200)
    slow.arrive()
    with inbox.page.expect_response("**/ui/desktop.js"):
        inbox.page.evaluate("() => catmaidNotify.sync()")
    expect(inbox.page.locator("[data-part=desktop]")).not_to_have_attribute("hidden", "")


def test_topics__module_is_loaded_with_the_first_one(tab: BrowserContext) -> None:
    """That the topic itself is refused here, says the server: what was asked for has reached it."""
    asked = watch(tab)
    slow = Slow(tab, "core/topics.js")
    leader, follower = Inbox.of(tab), Inbox.of(tab)
    follow = """() => {
        window.heard = [];
        catmaidNotify.on("error", ({ kind }) => window.heard.push(kind));
        catmaidNotify.subscribe("nowhere", ({ event }) => window.heard.push(event));
    }"""
    follower.page.evaluate(follow)
    follower.page.wait_for_timeout(200)
    slow.fail()
    follower.page.wait_for_function("() => window.heard.length === 1")
    slow.arrive()
    follower.page.evaluate("() => catmaidNotify.sync()")
    follower.page.wait_for_function("() => window.heard.length === 3")
    assert follower.page.evaluate("() => window.heard") == ["module", "refused", "topic"]
    assert leader.page.evaluate("() => catmaidNotify.state") == "live"
    assert asked.count("core/topics.js") == 3, "twice by who follows, once by the leader, for the other one"


def nonced(page: Page, policy: str) -> None:
    """Serve pages as a site does that allows scripts by a nonce only."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = re.sub(r"<(script|link)\b", r'<\1 nonce="abc"', response.text())
        route.fulfill(response=response, body=body, headers={**response.headers, "content-security-policy": policy})

    page.route(lambda url: "/inbox/" in url, answer)


@pytest.mark.parametrize("source", ["'nonce-abc'", "'nonce-abc' 'strict-dynamic'"])
def test_policy__by_nonce(lab: Site, ann: User, browser: Chromium, source: str) -> None:
    # Chromium takes an answer that a test has written for one from the internet.
    page = browser.context(lab, ann, permissions=["local-network-access"]).new_page()
    nonced(page, f"script-src {source}; style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'")
    page.goto("/inbox/")
    inbox = Inbox(page)
    inbox.wait_for_state("live")
    notify(lab, ann, "One")
    expect(inbox.open().message("One")).to_be_visible()
    page.evaluate("() => catmaidNotify.subscribe('nowhere', ({ event }) => (window.heard = event))")
    page.wait_for_function("() => window.heard === 'refused'")
    assert refusals(browser) == []

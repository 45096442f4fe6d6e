"""Desktop notifications: off until turned on, only while nobody looks at the site, once per browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.browser import Chromium
from tests.support.inbox import Inbox, notify, refusals
from tests.support.site import Site, User, unique
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

# Headless pages are always visible, and nobody sees their notifications: this says who looks, and notes what is shown.
DESKTOP = """
const Native = Notification;
window.shown = [];
globalThis.Notification = class extends Native {
    constructor(title, options) {
        super(title, options);
        window.shown.push({ title, ...options, notification: this, isOpen: true });
    }
    close() {
        window.shown.find(({ notification }) => notification === this).isOpen = false;
        super.close();
    }
};
let isHidden = false;
Object.defineProperty(document, "hidden", { get: () => isHidden });
Object.defineProperty(document, "visibilityState", { get: () => (isHidden ? "hidden" : "visible") });
window.look = (isSeen) => {
    isHidden = !isSeen;
    document.dispatchEvent(new Event("visibilitychange"));
};
"""


@pytest.fixture
def window(lab: Site, ann: User, browser: Chromium) -> Iterator[BrowserContext]:
    """Ann's browser, in which she would allow notifications if asked."""
    yield browser.context(lab, ann, permissions=["notifications"])
    assert refusals(browser) == []


def tab(window: BrowserContext) -> Inbox:
    return Inbox.of(window, before=DESKTOP)


def box(inbox: Inbox) -> Any:
    return inbox.page.get_by_role("checkbox", name="Desktop notifications")


def turn_on(inbox: Inbox) -> None:
    inbox.open()
    box(inbox).check()
    expect(box(inbox)).to_be_checked()
    inbox.page.keyboard.press("Escape")


def look(*inboxes: Inbox, seen: bool) -> None:
    """Somebody looks at these tabs, or no longer does."""
    for inbox in inboxes:
        inbox.page.evaluate("seen => window.look(seen)", seen)


def titles(*inboxes: Inbox) -> list[str]:
    """Return the titles of what was shown on the desktop."""
    return [title for one in inboxes for title in one.page.evaluate("() => window.shown.map(({ title }) => title)")]


def wait_for_one(*inboxes: Inbox) -> None:
    """Wait until one of the tabs has shown something."""
    eventually(lambda: titles(*inboxes), timeout=30)


def test_desktop__off_until_turned_on(lab: Site, ann: User, window: BrowserContext) -> None:
    inbox = tab(window)
    look(inbox, seen=False)
    notify(lab, ann, "While it is off")
    expect(inbox.bell).to_have_text("1")
    look(inbox, seen=True)
    turn_on(inbox)
    look(inbox, seen=False)
    notify(lab, ann, "While it is on", text="Some text.")
    wait_for_one(inbox)
    assert titles(inbox) == ["While it is on"]
    assert inbox.page.evaluate("() => window.shown[0].body") == "Some text."


def test_desktop__once_of_all_tabs_and_only_while_none_is_seen(lab: Site, ann: User, window: BrowserContext) -> None:
    tabs = [tab(window) for _ in range(3)]
    turn_on(tabs[0])
    look(*tabs[1:], seen=False)
    notify(lab, ann, "While one is seen")
    for each in tabs:
        expect(each.bell).to_have_text("1")
    look(tabs[0], seen=False)
    for number, title in enumerate(("First", "Second"), start=2):
        notify(lab, ann, title)
        for each in tabs:
            expect(each.bell).to_have_text(str(number))
    wait_for_one(*tabs)
    tabs[0].page.wait_for_function(  # until nobody waits for the lock, in whatever tab
        "async () => { const { held, pending } = await navigator.locks.query();"
        " return ![...held, ...pending].some(({ name }) => /:(visible|showing)$/.test(name)); }"
    )
    assert sorted(titles(*tabs)) == ["First", "Second"]


LAGGING = """
const { getItem } = Storage.prototype;
Storage.prototype.getItem = function (key) {
    return key.endsWith(":desktop-shown") ? null : getItem.call(this, key);
};
"""
"""Tabs in other processes of the browser may read what this one has written some milliseconds, or longer, after."""


def test_desktop__all_of_several_that_come_at_once(lab: Site, ann: User, window: BrowserContext) -> None:
    tabs = [Inbox.of(window, before=DESKTOP + LAGGING) for _ in range(2)]
    turn_on(tabs[0])
    look(*tabs, seen=False)
    several = "with transaction.atomic():\n for title in 'ABCDE':\n  api.notify_user(user, title)"
    lab.run(several, user=ann)
    eventually(lambda: len(titles(*tabs)) >= 5, timeout=30)
    assert sorted(titles(*tabs)) == ["A", "B", "C", "D", "E"]


NO_NOTIFICATIONS = """
globalThis.Notification = class {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor() {
        throw new TypeError("Illegal constructor.");
    }
};
"""
"""Chrome on Android: only service workers may show them."""


def test_desktop__not_offered_again_where_pages_may_not_show_them(lab: Site, ann: User, window: BrowserContext) -> None:
    inbox = Inbox.of(window, before=DESKTOP + NO_NOTIFICATIONS)
    turn_on(inbox)
    look(inbox, seen=False)
    notify(lab, ann, "A")
    expect(inbox.page.locator("[data-part=desktop]")).to_have_attribute("hidden", "")


def test_desktop__turned_off_in_one_tab_is_off_in_all(lab: Site, ann: User, window: BrowserContext) -> None:
    one, two = tab(window), tab(window)
    turn_on(one)
    expect(box(two.open())).to_be_checked()
    box(two).uncheck()
    expect(box(one.open())).not_to_be_checked()
    look(one, two, seen=False)
    notify(lab, ann, "While it is off")
    expect(one.bell).to_have_text("1")
    look(one, seen=True)
    box(one).check()
    look(one, seen=False)
    notify(lab, ann, "While it is on")
    wait_for_one(one, two)
    assert titles(one, two) == ["While it is on"]


def test_desktop__click_opens_the_panel_and_reading_closes_it(lab: Site, ann: User, window: BrowserContext) -> None:
    inbox = tab(window)
    turn_on(inbox)
    look(inbox, seen=False)
    notify(lab, ann, "A")
    wait_for_one(inbox)
    inbox.page.evaluate("() => window.shown[0].notification.onclick()")
    expect(inbox.panel).to_be_visible()
    notify(lab, ann, "B")
    inbox.page.wait_for_function("() => window.shown.length === 2")
    assert inbox.page.evaluate("() => window.shown.map(({ isOpen }) => isOpen)") == [False, True]
    lab.run("api.mark_read(get_user_model().objects.get(pk=user))", user=ann)
    inbox.page.wait_for_function("() => !window.shown[1].isOpen")


def test_desktop__somebody_else_in_the_same_browser_has_them_off(lab: Site, ann: User, window: BrowserContext) -> None:
    turn_on(tab(window))
    name, _, value = lab.user(unique("eve")).cookie.partition("=")
    window.add_cookies([{"name": name, "value": value, "url": lab.url, "httpOnly": True, "sameSite": "Lax"}])
    expect(box(tab(window).open())).not_to_be_checked()


REFUSES = """
let permission = "default";
Object.defineProperty(Notification, "permission", { get: () => permission });
Notification.requestPermission = async () => (permission = "denied");
"""
"""Somebody who says no when the browser asks."""


def test_desktop__refused_to_the_browser(lab: Site, ann: User, browser: Chromium) -> None:
    inbox = Inbox.of(browser.context(lab, ann), before=REFUSES).open()
    box(inbox).click()
    expect(inbox.panel.get_by_text("(blocked in this browser")).to_be_visible()
    expect(box(inbox)).to_be_disabled()
    expect(box(inbox)).not_to_be_checked()


def test_desktop__not_offered_where_there_is_none(lab: Site, ann: User, browser: Chromium) -> None:
    inbox = Inbox.of(browser.context(lab, ann), before="delete globalThis.Notification").open()
    expect(inbox.panel.get_by_text("Desktop notifications")).to_be_hidden()


def test_hidden_tab__has_nothing_to_tell_of_the_former_user(lab: Site, ann: User, window: BrowserContext) -> None:
    inbox = tab(window)
    look(inbox, seen=False)
    notify(lab, ann, "For Ann")
    expect(inbox.bell).to_have_text("1")
    bob = lab.user(unique("bob"))
    name, _, value = bob.cookie.partition("=")
    window.add_cookies([{"name": name, "value": value, "url": lab.url, "httpOnly": True, "sameSite": "Lax"}])
    inbox.page.evaluate("() => catmaidNotify.sync()")
    inbox.page.wait_for_function("pk => catmaidNotify.user === pk", arg=str(bob.pk))
    inbox.wait_for_state("live")
    look(inbox, seen=True)
    notify(lab, bob, "For Bob")
    expect(inbox.toast("For Bob")).to_be_visible()
    expect(inbox.live).to_have_text("New message: For Bob")
    expect(inbox.toasts).to_have_count(1)

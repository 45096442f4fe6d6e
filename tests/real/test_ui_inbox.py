"""The bundled inbox in Chromium, on a real site: bell, panel, toasts, bars, desktop notifications.

Every page here has a strict policy (tests/pages.py); a test fails if it had to refuse anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.support.browser import Chromium, chromium
from tests.support.environment import require
from tests.support.inbox import MINUTE, NO_SOCKET, SECOND, Inbox, notify, refusals, served, store, unread
from tests.support.site import Site, User, unique
from tests.support.waiting import eventually

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require("chromium")
    with served(tmp_path_factory, worker=True) as site:
        yield site


@pytest.fixture
def tab(lab: Site, ann: User, browser: Chromium) -> Iterator[BrowserContext]:
    """Ann's browser."""
    yield browser.context(lab, ann, viewport={"width": 1000, "height": 800})
    assert refusals(browser) == []


# -- Bell and list


def test_bell__counts_and_says_so(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab)
    expect(inbox.bell).to_have_accessible_name("Notifications")
    notify(lab, ann, "One", "Two")
    expect(inbox.bell).to_have_accessible_name("Notifications, unread: 2")
    expect(inbox.bell).to_have_text("2")
    store(lab, ann, 1200)
    notify(lab, ann, "Three")
    inbox.page.evaluate("() => catmaidNotify.sync()")
    expect(inbox.bell).to_have_text("99+")
    expect(inbox.bell).to_have_accessible_name("Notifications, unread: 1000+")


def test_panel__empty(tab: BrowserContext) -> None:
    inbox = Inbox.of(tab).open()
    expect(inbox.panel.get_by_text("No messages yet.")).to_be_visible()
    expect(inbox.panel.get_by_role("button", name="Mark all as read")).to_be_hidden()
    expect(inbox.panel.get_by_text("New messages arrive at once.")).to_be_visible()
    expect(inbox.panel.get_by_role("list")).to_have_count(0)


def test_panel__unread_first_then_what_was_read_on_scrolling(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "First")
    store(lab, ann, 120, "Read", read=True)
    notify(lab, ann, "Second", "Third")
    inbox = Inbox.of(tab).open()
    expect(inbox.message("Read 120")).to_be_attached()
    assert len(inbox.titles()) < 120, "all pages were loaded at once"
    inbox.scroll_to_end()
    assert inbox.titles() == ["Third", "Second", "First", *[f"Read {number}" for number in range(120, 0, -1)]]


BATCHED = """
    const Observer = IntersectionObserver;
    window.IntersectionObserver = class extends Observer {
        constructor(seen, options) {
            super((entries, self) => seen([{ isIntersecting: false }, ...entries], self), options);
        }
    };
"""
"""What a busy browser does: that the end was out of sight for a moment is told together with its being back."""


def test_panel__older_pages_on_a_busy_machine(lab: Site, ann: User, tab: BrowserContext) -> None:
    store(lab, ann, 60, "Read", read=True)
    tab.add_init_script(BATCHED)
    inbox = Inbox.of(tab).open()
    inbox.scroll_to_end()
    assert len(inbox.titles()) == 60


def test_panel__five_hundred_unread(lab: Site, ann: User, tab: BrowserContext) -> None:
    store(lab, ann, 2, "Read", read=True)
    store(lab, ann, 500)
    inbox = Inbox.of(tab).open()
    inbox.message("Stored 500").get_by_role("button").click()
    expect(inbox.bell).to_have_accessible_name("Notifications, unread: 499")
    # The hundred newest unread ones now have an older one among them.
    inbox.page.evaluate("() => catmaidNotify.sync()")
    inbox.page.wait_for_function("() => catmaidNotify.unread.messages.at(-1).title === 'Stored 400'")
    inbox.scroll_to_end()
    assert inbox.titles() == [*[f"Stored {number}" for number in range(500, 0, -1)], "Read 2", "Read 1"]
    lowest = inbox.message("Stored 1")
    lowest.get_by_role("button").click()
    expect(lowest).not_to_have_attribute("data-unread", "")
    eventually(lambda: "Stored 1" not in unread(lab, ann))
    expect(inbox.bell).to_have_accessible_name("Notifications, unread: 498")


def test_panel__a_message_that_comes_while_it_is_open_is_on_top(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "Old")
    inbox = Inbox.of(tab).open()
    expect(inbox.message("Old")).to_be_visible()
    notify(lab, ann, "New")
    expect(inbox.message("New")).to_be_visible()
    assert inbox.titles() == ["New", "Old"]
    expect(inbox.toasts).to_have_count(0)


def test_panel__marking_one_goes_on_to_the_next(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "A", "B", "C")
    inbox = Inbox.of(tab).open()
    inbox.message("C").get_by_role("button", name="Mark as read: C").click()
    expect(inbox.message("C")).not_to_have_attribute("data-unread", "")
    expect(inbox.message("B").get_by_role("button")).to_be_focused()
    eventually(lambda: unread(lab, ann) == ["A", "B"])
    assert inbox.titles() == ["C", "B", "A"], "no message moves under the pointer"
    expect(inbox.bell).to_have_text("2")
    inbox.page.keyboard.press("Enter")
    inbox.page.keyboard.press("Enter")
    eventually(lambda: unread(lab, ann) == [])
    expect(inbox.panel.get_by_role("heading")).to_be_focused()


def test_panel__marking_all(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "A", "B")
    inbox = Inbox.of(tab).open()
    other = Inbox.of(tab).open()
    inbox.panel.get_by_role("button", name="Mark all as read").click()
    for each in (inbox, other):
        expect(each.page.locator("[data-unread]")).to_have_count(0)
        expect(each.bell).to_have_accessible_name("Notifications")
    assert unread(lab, ann) == []


def test_panel__a_read_that_fails_is_said_and_taken_back(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "A", "B")
    inbox = Inbox.of(tab).open()
    tab.route("**/notify/read", lambda route: route.fulfill(status=500))
    inbox.message("B").get_by_role("button").click()
    expect(inbox.panel.get_by_role("alert")).to_have_text("That could not be saved: the message is still unread.")
    expect(inbox.message("B")).to_have_attribute("data-unread", "")
    inbox.panel.get_by_role("button", name="Mark all as read").click()
    expect(inbox.page.locator(".catmaid-notify__panel [data-unread]")).to_have_count(2)
    tab.unroute("**/notify/read")
    inbox.message("B").get_by_role("button").click()
    expect(inbox.panel.get_by_role("alert")).to_be_hidden()
    eventually(lambda: unread(lab, ann) == ["A"])


def test_panel__opening_the_action_reads_the_message(lab: Site, ann: User, tab: BrowserContext) -> None:
    notify(lab, ann, "Leads somewhere", action="/inbox/?there=1")
    notify(lab, ann, "In a new tab", action="/inbox/?there=2")
    inbox = Inbox.of(tab).open()
    with tab.expect_page():
        inbox.message("In a new tab").get_by_role("link").click(button="middle")
    eventually(lambda: unread(lab, ann) == ["Leads somewhere"])
    inbox.message("Leads somewhere").click()  # anywhere on it
    inbox.page.wait_for_url("**/?there=1")
    eventually(lambda: unread(lab, ann) == [])


def test_panel__focus_on_a_link_stays_when_the_message_is_read_elsewhere(
    lab: Site, ann: User, tab: BrowserContext
) -> None:
    notify(lab, ann, "A", "B", action="/inbox/?there=1")
    inbox = Inbox.of(tab).open()
    link = inbox.message("B").get_by_role("link")
    link.focus()
    lab.run("api.mark_read(get_user_model().objects.get(pk=user))", user=ann)
    expect(inbox.message("A")).not_to_have_attribute("data-unread", "")
    expect(link).to_be_focused()


def test_panel__nothing_in_a_message_is_code(lab: Site, ann: User, tab: BrowserContext) -> None:
    markup = "<img src=x onerror=alert(1)><b>bold</b>"
    # As somebody's own code, or an older version, may have stored it.
    code = "Message.objects.create(user_id=user, title=markup, text=markup, action='javascript:alert(1)')"
    lab.run(code, user=ann, markup=markup)
    inbox = Inbox.of(tab).open()
    message = inbox.messages.first
    expect(message.locator("[data-part=title]")).to_have_text(markup)
    expect(message.locator("[data-part=text]")).to_have_text(markup)
    expect(message.locator("img, b, a[href]")).to_have_count(0)


def test_panel__times_in_words_exact_in_the_tooltip_and_fresh(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab, clock=True)
    notify(lab, ann, "A")
    time = inbox.open().message("A").locator("time")
    expect(time).to_have_text("now")
    inbox.page.clock.run_for(3 * MINUTE)
    expect(time).to_have_text("3 min. ago")
    exact = "(time) => time.title === new Date(time.dateTime).toLocaleString('en') && time.title.length > 10"
    assert time.evaluate(exact)


def test_panel__pages_that_fail_are_said_and_tried_again(lab: Site, ann: User, tab: BrowserContext) -> None:
    store(lab, ann, 1, "Read", read=True)
    tab.route("**/notify/messages**", lambda route: route.fulfill(status=503))
    inbox = Inbox.of(tab).open()
    expect(inbox.panel.get_by_text("The messages could not be loaded.")).to_be_visible()
    tab.unroute("**/notify/messages**")
    inbox.panel.get_by_role("button", name="Try again").click()
    expect(inbox.message("Read 1")).to_be_visible()
    expect(inbox.panel.get_by_text("The messages could not be loaded.")).to_be_hidden()


def test_panel__a_page_of_somebody_else_is_not_shown(lab: Site, ann: User, tab: BrowserContext) -> None:
    store(lab, ann, 1, "Read", read=True)

    def as_another(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "user": "another"})

    tab.route("**/notify/messages**", as_another)
    inbox = Inbox.of(tab).open()
    expect(inbox.panel.get_by_text("The messages could not be loaded.")).to_be_visible()
    assert inbox.titles() == []


def test_panel__closes_by_escape_beside_it_and_by_the_bell(tab: BrowserContext) -> None:
    inbox = Inbox.of(tab).open()
    inbox.page.keyboard.press("Escape")
    expect(inbox.panel).to_be_hidden()
    expect(inbox.bell).to_be_focused()
    inbox.open().page.mouse.click(20, 700)
    expect(inbox.panel).to_be_hidden()
    inbox.open().bell.click()
    expect(inbox.panel).to_be_hidden()
    expect(inbox.bell).to_have_attribute("aria-expanded", "false")


def test_panel__another_user_sees_nothing_of_the_former_one(lab: Site, ann: User, tab: BrowserContext) -> None:
    eve = lab.user(unique("eve"))
    notify(lab, ann, "For Ann")
    notify(lab, eve, "For Eve")
    inbox = Inbox.of(tab).open()
    expect(inbox.message("For Ann")).to_be_visible()
    name, _, value = eve.cookie.partition("=")
    tab.add_cookies([{"name": name, "value": value, "url": lab.url, "httpOnly": True, "sameSite": "Lax"}])
    inbox.page.evaluate("() => catmaidNotify.sync()")
    expect(inbox.message("For Eve")).to_be_visible()
    inbox.scroll_to_end()
    assert inbox.titles() == ["For Eve"]


# -- What the connection does, in words


def test_state__polling(tab: BrowserContext) -> None:
    inbox = Inbox.of(tab, before=NO_SOCKET, state="polling").open()
    expect(inbox.panel.get_by_text("No live connection: checking every 60 seconds.")).to_be_visible()


def test_state__server_out_of_reach_and_back(tab: BrowserContext) -> None:
    inbox = Inbox.of(tab, before=NO_SOCKET, state="polling").open()
    tab.route("**/notify/unread", lambda route: route.abort())
    inbox.page.evaluate("() => catmaidNotify.sync()")
    expect(inbox.panel.get_by_text("be reached, trying again …")).to_be_visible()
    tab.unroute("**/notify/unread")
    inbox.page.evaluate("() => catmaidNotify.sync()")
    expect(inbox.panel.get_by_text("No live connection")).to_be_visible()


def test_state__signed_out(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab).open()
    tab.clear_cookies()
    inbox.page.evaluate("() => catmaidNotify.sync()")
    expect(inbox.panel.get_by_text("You are signed out.")).to_be_visible()


# -- Toasts


def test_toasts__by_level_until_closed(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab)
    levels = ("success", "warning", "error")
    for level in levels:
        notify(lab, ann, f"A {level}", level=level)
    for level, word in zip(levels, ("Success", "Warning", "Error"), strict=True):
        toast = inbox.toast(f"A {level}")
        expect(toast).to_have_attribute("data-level", level)
        expect(toast).to_contain_text(f"{word}:")
        toast.get_by_role("button", name=f"Close: A {level}").click()
        expect(toast).to_have_count(0)
    assert len(unread(lab, ann)) == 3, "closing one doesn't read the message"


def test_toasts__stay_eight_seconds_and_wait_for_who_reads_them(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab, clock=True)
    clock = inbox.page.clock
    notify(lab, ann, "A")
    toast = inbox.toast("A")
    expect(toast).to_be_visible()
    clock.run_for(7 * SECOND)
    toast.hover()
    clock.run_for(60 * SECOND)
    expect(toast).to_be_visible()
    inbox.page.mouse.move(5, 400)
    clock.run_for(7 * SECOND)
    expect(toast).to_be_visible()
    toast.get_by_role("button").focus()
    clock.run_for(60 * SECOND)
    expect(toast).to_be_visible()
    inbox.bell.focus()
    clock.run_for(9 * SECOND)
    expect(toast).to_have_count(0)


def test_toasts__of_many_three_are_shown_and_the_rest_counted(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab)
    titles = [f"Message {number}" for number in range(10, 40)]
    notify(lab, ann, *titles)
    more = inbox.page.locator("[data-part=more]")
    expect(more).to_contain_text("More new messages: 27")
    expect(inbox.toasts).to_have_count(3)
    more.get_by_role("button", name="Show").click()
    expect(inbox.panel).to_be_visible()
    expect(inbox.panel.get_by_role("heading")).to_be_focused()
    expect(inbox.toasts).to_have_count(0)
    expect(more).to_be_hidden()
    expect(inbox.messages).to_have_count(30)


def test_toasts__never_take_the_focus_and_close_by_escape(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab)
    button = inbox.page.get_by_role("button", name="A button of the page")
    button.focus()
    notify(lab, ann, "A", "B")
    expect(inbox.toasts).to_have_count(2)
    expect(button).to_be_focused()
    inbox.page.keyboard.press("Escape")
    expect(inbox.toasts).to_have_count(1)
    inbox.page.keyboard.press("Escape")
    expect(inbox.toasts).to_have_count(0)
    expect(button).to_be_focused()


def test_toasts__once_also_for_who_goes_back(lab: Site, ann: User) -> None:
    with chromium(without="--disable-back-forward-cache") as browser:
        inbox = Inbox.of(browser.context(lab, ann))
        inbox.page.evaluate("() => (window.isFormer = true)")
        inbox.page.goto("/inbox/?later=1")
        inbox.wait_for_state("live")
        notify(lab, ann, "A")
        expect(inbox.toast("A")).to_be_visible()
        inbox.page.evaluate("() => history.back()")
        inbox.page.wait_for_function("() => window.isFormer")
        inbox.wait_for_state("live")
        expect(inbox.bell).to_have_text("1")
        notify(lab, ann, "B")
        expect(inbox.toast("B")).to_be_visible()
        expect(inbox.toast("A")).to_have_count(0)
        assert browser.errors == []


def test_toasts__close_when_read_elsewhere(lab: Site, ann: User, tab: BrowserContext) -> None:
    inbox = Inbox.of(tab)
    (one, _) = notify(lab, ann, "A", "B")
    expect(inbox.toasts).to_have_count(2)
    lab.run("api.mark_read(get_user_model().objects.get(pk=user), [one])", user=ann, one=one)
    expect(inbox.toast("A")).to_have_count(0)
    expect(inbox.toast("B")).to_have_count(1)


# -- Tasks


def start(site: Site, user: User, **options: Any) -> None:
    site.run("from tests.tasks import until; until.delay_for(user, **options)", user=user, options=options)


def test_tasks__bar_survives_a_reload_and_turns_into_the_message(
    lab: Site, ann: User, tab: BrowserContext, tmp_path: Path
) -> None:
    inbox = Inbox.of(tab)
    start(lab, ann, gate=str(tmp_path / "gate"))
    expect(inbox.bell).to_have_accessible_name("Notifications, running tasks: 1")
    inbox.open()
    for _ in ("as it came", "as the next page has it"):
        bar = inbox.tasks.get_by_role("progressbar", name="Until")
        expect(bar).to_have_attribute("value", "1")
        expect(inbox.tasks).to_contain_text("25%")
        expect(inbox.tasks).to_contain_text("step 1")
        inbox.page.reload()
        inbox.wait_for_state("live")
        inbox.open()
    (tmp_path / "gate").touch()
    expect(inbox.message("Until is finished")).to_have_attribute("data-level", "success")
    expect(inbox.tasks).to_have_count(0)
    expect(inbox.bell).to_have_accessible_name("Notifications, unread: 1")


def test_tasks__failure_is_shown(lab: Site, ann: User, tab: BrowserContext, tmp_path: Path) -> None:
    inbox = Inbox.of(tab)
    start(lab, ann, gate=str(tmp_path / "gate"), error="No room is left.")
    expect(inbox.open().tasks).to_have_count(1)
    (tmp_path / "gate").touch()
    failure = inbox.messages.filter(has_text="No room is left.")
    expect(failure).to_have_attribute("data-level", "error")
    expect(inbox.tasks).to_have_count(0)


def test_tasks__unknown_length(lab: Site, ann: User, tab: BrowserContext) -> None:
    code = """
from catmaid_notify.models import TaskProgress
TaskProgress.objects.create(task_id=f"of {user}", user_id=user, title="X")
"""
    lab.run(code, user=ann)
    inbox = Inbox.of(tab).open()
    bar = inbox.tasks.get_by_role("progressbar", name="X")
    expect(bar).to_be_visible()
    assert bar.get_attribute("value") is None
    expect(inbox.tasks).not_to_contain_text("%")

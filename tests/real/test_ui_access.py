"""The bundled inbox for everybody: screen readers, keyboards, small screens, other colours, no motion.

axe looks at every state; what it can't see (order of the keyboard, announcements, what overflows) is looked at here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser import Chromium
from tests.support.environment import AXE, require
from tests.support.inbox import NO_SOCKET, SECOND, Inbox, notify, refusals, store
from tests.support.site import Site, User

pytestmark = pytest.mark.real

LONG = "A title of two hundred characters, which is as long as one may be: " + "words and words " * 20
TASKS = """
from catmaid_notify.models import TaskProgress
for number, total in enumerate((10, 0)):
    TaskProgress.objects.create(
        task_id=f"{number} of {user}", user_id=user, title=f"Crop {number}", text="slice 4", done=4, total=total
    )
"""


@pytest.fixture
def open_tab(lab: Site, ann: User, browser: Chromium) -> Iterator[Callable[..., BrowserContext]]:
    """Open Ann's browser; the options are Playwright's."""
    require("axe")

    def opened(**options: Any) -> BrowserContext:
        return browser.context(lab, ann, **{"viewport": {"width": 1000, "height": 800}, **options})

    yield opened
    assert refusals(browser) == []


def fill(site: Site, user: User) -> None:
    """Give the user one of everything."""
    store(site, user, 60, "Read", read=True)
    notify(site, user, LONG[:200], "Averylongwordthatnobodycanbreak" * 4, text="/a/path/without/a/space" * 10)
    notify(site, user, "رسالة من اليمين إلى اليسار", text="نص قصير 42")
    for level in ("success", "warning", "error"):
        notify(site, user, f"A {level}", level=level, action="/inbox/", text="Some text.")
    notify(site, user, "A long text", text="A line of a long text.\n" * 60)
    site.run(TASKS, user=user)


# -- axe


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong on the page, with the elements."""
    if not page.evaluate("() => 'axe' in window"):
        # By the debugger: no policy of the page is in its way.
        page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": AXE.read_text()})
    # A toast that is only half there has half its contrast.
    page.wait_for_function("() => document.getAnimations().every(({ effect }) => effect.getTiming().iterations !== 1)")
    found = page.evaluate("() => axe.run()")
    assert found["passes"], "axe looked at nothing"
    return [
        f"{rule['id']} ({rule['help']}): {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(
    ("theme", "query"),
    [("light", {}), ("dark", {}), ("light", {"dir": "rtl", "lang": "ar"}), ("dark", {"lang": "de", "bell": "bottom"})],
)
def test_axe__nothing_to_complain_about(
    lab: Site, ann: User, open_tab: Callable[..., BrowserContext], theme: str, query: dict[str, str]
) -> None:
    found: dict[str, list[str]] = {}
    tab = open_tab(color_scheme=theme)
    inbox = Inbox.of(tab, query, before=NO_SOCKET, state="polling")
    page = inbox.page

    def look(state: str) -> None:
        found[state] = violations(page)

    look("closed")
    tab.route("**/notify/messages**", lambda route: route.fulfill(status=500))
    inbox.bell.click()
    expect(page.locator("[data-part=retry]")).to_be_visible()
    look("pages that failed")
    tab.unroute("**/notify/messages**")
    page.locator("[data-part=retry]").click()
    expect(page.locator(".catmaid-notify__empty")).to_be_visible()
    look("empty")
    fill(lab, ann)
    page.evaluate("() => catmaidNotify.sync()")
    expect(inbox.tasks).to_have_count(2)
    look("messages and tasks")
    tab.route("**/notify/read", lambda route: route.fulfill(status=500))
    page.locator("[data-part=all]").click()
    expect(inbox.panel.get_by_role("alert")).to_be_visible()
    look("a read that failed")
    tab.unroute("**/notify/read")
    tab.route("**/notify/unread", lambda route: route.abort())
    page.evaluate("() => catmaidNotify.sync()")
    expect(page.locator("[data-when=unreachable]")).to_be_visible()
    look("server out of reach")
    tab.unroute("**/notify/unread")
    page.locator("[data-part=all]").click()
    expect(page.locator(".catmaid-notify__panel [data-unread]")).to_have_count(0)
    inbox.scroll_to_end()
    look("all read")
    page.keyboard.press("Escape")
    for level in ("info", "success", "warning", "error"):
        notify(lab, ann, f"Toast {level}", level=level, action="/inbox/", text="Some text.")
    page.evaluate("() => catmaidNotify.sync()")
    expect(page.locator("[data-part=more]")).to_be_visible()
    look("toasts")
    assert [f"{state}: {problem}" for state, problems in found.items() for problem in problems] == []


def test_axe__sees_what_is_wrong(open_tab: Callable[..., BrowserContext]) -> None:
    inbox = Inbox.of(open_tab())
    inbox.page.evaluate("() => document.querySelector('[data-part=bell]').removeAttribute('aria-label')")
    assert any(line.startswith("button-name") for line in violations(inbox.page))


# -- Keyboard and screen readers


def test_keyboard__only(lab: Site, ann: User, open_tab: Callable[..., BrowserContext]) -> None:
    notify(lab, ann, "Plain")
    notify(lab, ann, "With a link", action="/inbox/?there=1")
    inbox = Inbox.of(open_tab())
    page = inbox.page
    page.get_by_role("link", name="Lab").focus()

    def tab_to() -> str:
        page.keyboard.press("Tab")
        return str(page.evaluate("() => document.activeElement.ariaLabel ?? document.activeElement.innerText"))

    assert tab_to() == "Notifications, unread: 2"
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Notifications", exact=True)).to_be_visible()
    expect(inbox.bell).to_have_attribute("aria-expanded", "true")
    expect(inbox.messages).to_have_count(2)
    stops = ["Mark all as read", "Messages", "With a link", "Mark as read: With a link", "Mark as read: Plain"]
    assert [tab_to() for _ in stops] == stops
    page.keyboard.press("Space")
    expect(inbox.message("Plain")).not_to_have_attribute("data-unread", "")
    page.keyboard.press("Escape")
    expect(inbox.panel).to_be_hidden()
    expect(inbox.bell).to_be_focused()
    page.keyboard.press("Space")
    expect(inbox.panel).to_be_visible()
    assert [tab_to() for _ in stops[:3]] == stops[:3]
    page.keyboard.press("Enter")
    page.wait_for_url("**/?there=1")


def test_keyboard__focus_is_seen(lab: Site, ann: User, open_tab: Callable[..., BrowserContext]) -> None:
    notify(lab, ann, "With a link", action="/inbox/")
    inbox = Inbox.of(open_tab())
    inbox.bell.focus()
    inbox.page.keyboard.press("Enter")
    expect(inbox.messages).to_have_count(1)
    for _ in range(5):
        inbox.page.keyboard.press("Tab")
        style = inbox.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert style in ("solid", "auto")


def test_announcements__one_in_two_seconds_and_a_number_for_many(
    lab: Site, ann: User, open_tab: Callable[..., BrowserContext]
) -> None:
    inbox = Inbox.of(open_tab(), clock=True)
    inbox.page.clock.pause_at(inbox.page.evaluate("() => Date.now() + 1000"))
    inbox.page.evaluate(
        """() => {
            const live = document.querySelector("[data-part=live]");
            window.said = [];
            new MutationObserver(() => live.textContent && said.push([Date.now(), live.textContent])).observe(live, {
                childList: true,
            });
        }"""
    )

    def arrived(count: int) -> None:
        inbox.page.wait_for_function("count => catmaidNotify.unread.count === count", arg=count)

    notify(lab, ann, "A $& title")  # characters that mean something where texts are replaced
    arrived(1)
    inbox.page.clock.run_for(SECOND)
    expect(inbox.live).to_have_text("New message: A $& title")
    notify(lab, ann, "B", "C", "D")
    arrived(4)
    inbox.page.clock.run_for(5 * SECOND)
    said = inbox.page.evaluate("() => window.said")
    assert [text for _, text in said] == ["New message: A $& title", "New messages: 3"]
    assert said[1][0] - said[0][0] >= 2 * SECOND
    expect(inbox.live).to_have_attribute("role", "status")


# -- Small screens, zoom, colours, motion


@pytest.mark.parametrize("size", [(320, 560), (640, 400)], ids=["320 px", "1280 px at 200 %"])
@pytest.mark.parametrize(
    "query", [{"bell": "start"}, {"bell": "end"}, {"bell": "bottom"}, {"dir": "rtl", "lang": "ar"}]
)
def test_small_screens__nothing_is_cut_off(
    lab: Site, ann: User, open_tab: Callable[..., BrowserContext], size: tuple[int, int], query: dict[str, str]
) -> None:
    width, height = size
    fill(lab, ann)
    inbox = Inbox.of(open_tab(viewport={"width": width, "height": height}), query).open()
    inbox.scroll_to_end()
    box = inbox.panel.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height
    assert box["height"] > height / 2
    inbox.page.keyboard.press("Escape")
    notify(lab, ann, LONG[:200], text="words " * 200)
    expect(inbox.toasts).to_have_count(1)
    wide = """() => [...document.querySelectorAll(":is(.catmaid-notify__panel, .catmaid-notify__toasts) *")]
        .filter((one) => one.checkVisibility() && !one.matches(".catmaid-notify__hidden"))
        .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
        .map((one) => one.outerHTML.slice(0, 120))"""
    assert inbox.page.evaluate(wide) == []
    inbox.open()
    assert inbox.page.evaluate(wide) == []
    assert inbox.page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_forced_colours__what_is_told_by_colour_is_still_told(
    lab: Site, ann: User, open_tab: Callable[..., BrowserContext]
) -> None:
    notify(lab, ann, "A")
    store(lab, ann, 1, "Read", read=True)
    lab.run(TASKS, user=ann)
    inbox = Inbox.of(open_tab(forced_colors="active")).open()
    assert inbox.page.evaluate("() => matchMedia('(forced-colors: active)').matches")
    bar = "(one) => getComputedStyle(one, '::before').borderInlineStartWidth"
    assert inbox.message("A").evaluate(bar) == "3px"
    badge = inbox.page.locator("[data-part=badge]")
    assert badge.evaluate("(one) => getComputedStyle(one).borderStyle") == "solid"
    progress = inbox.tasks.get_by_role("progressbar").first
    assert progress.evaluate("(one) => getComputedStyle(one).borderStyle") == "solid"
    picture = Image.open(io.BytesIO(progress.screenshot()))
    width, height = picture.size
    done, left = (picture.getpixel((round(share * width), height // 2)) for share in (0.2, 0.8))
    assert done != left


def test_reduced_motion__nothing_moves(lab: Site, ann: User, open_tab: Callable[..., BrowserContext]) -> None:
    lab.run(TASKS, user=ann)
    moving = "() => document.getAnimations().length"
    inbox = Inbox.of(open_tab()).open()
    inbox.page.wait_for_function(moving)
    inbox = Inbox.of(open_tab(reduced_motion="reduce")).open()
    expect(inbox.tasks).to_have_count(2)
    assert inbox.page.evaluate(moving) == 0
    inbox.page.keyboard.press("Escape")
    notify(lab, ann, "A")
    expect(inbox.toast("A")).to_be_visible()
    assert inbox.page.evaluate(moving) == 0

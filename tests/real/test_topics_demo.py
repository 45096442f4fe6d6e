"""The demo's sheet and counter in several browsers: what one saves, the others see; nothing is lost unseen."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.site import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.support.browser import Chromium
    from tests.support.site import Site, User

pytestmark = pytest.mark.real

NO_WEBSOCKET = "delete window.WebSocket"
RAISE = """
from catmaid_notify.api import publish
from demo.shared.models import Counter
with transaction.atomic():
    result = Counter.raised("demo")
    publish("counter:demo", "value", result)
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from tests.conftest import site_maker

    make: Callable[..., AbstractContextManager[Site]] = site_maker(tmp_path_factory)
    folder: Path = tmp_path_factory.mktemp("var")
    with make(project="demo", env={"DEMO_VAR": str(folder)}) as site:
        site.daphne()
        yield site


@pytest.fixture
def people(demo: Site, request: pytest.FixtureRequest) -> Callable[[str], User]:
    """Make users whose names are those of no other test."""
    prefix = str(abs(hash(request.node.name)))[:8]
    return lambda name: demo.user(f"{name}{prefix}")


def sheet_of(demo: Site, browser: Chromium, user: User, name: str, **options: Any) -> Page:
    """Open a sheet, and return when changes come in."""
    page = browser.page(demo, user, f"/sheet/{name}/", **options)
    page.wait_for_selector("#connection[data-live=true]", timeout=30_000)
    page.wait_for_selector("#sheet input:enabled")
    return page


def cell(page: Page, row: int, column: int) -> Any:
    return page.locator(f"#sheet input[data-row='{row}'][data-column='{column}']")


def wait_for_value(page: Page, row: int, column: int, value: str) -> None:
    page.wait_for_function(
        "([row, column, value]) => document.querySelector(`#sheet input[data-row='${row}'][data-column='${column}']`)"
        ".value === value",
        arg=[row, column, value],
        timeout=30_000,
    )


@pytest.fixture
def both(
    demo: Site, browser: Chromium, people: Callable[[str], User], request: pytest.FixtureRequest
) -> tuple[Page, Page]:
    name = request.node.name.replace("_", "-")[:50]
    return sheet_of(demo, browser, people("ann"), name), sheet_of(demo, browser, people("bob"), name)


def test_sheet__other_page_changes_at_once_and_is_highlighted(both: tuple[Page, Page]) -> None:
    ann, bob = both
    cell(ann, 2, 0).fill("Larva 7")
    cell(ann, 2, 0).press("Enter")
    bob.wait_for_selector("#sheet input[data-row='2'][data-column='0'].changed", timeout=30_000)
    wait_for_value(bob, 2, 0, "Larva 7")
    assert "ann" in (cell(bob, 2, 0).get_attribute("title") or "")
    assert "changed" not in (cell(ann, 2, 0).get_attribute("class") or "")
    bob.reload()
    wait_for_value(bob, 2, 0, "Larva 7")


def test_sheet__what_is_typed_is_not_overwritten(both: tuple[Page, Page]) -> None:
    ann, bob = both
    cell(bob, 1, 1).focus()
    bob.keyboard.type("12")
    cell(ann, 1, 1).fill("99")
    cell(ann, 1, 1).press("Enter")
    bob.locator("#conflicts li").get_by_text("99").wait_for()
    assert cell(bob, 1, 1).input_value() == "12"
    bob.get_by_role("button", name="Save mine").click()
    wait_for_value(ann, 1, 1, "12")
    assert bob.locator("#conflicts li").count() == 0


def test_sheet__theirs_can_be_taken(both: tuple[Page, Page]) -> None:
    ann, bob = both
    cell(bob, 0, 4).focus()
    bob.keyboard.type("mine")
    cell(ann, 0, 4).fill("theirs")
    cell(ann, 0, 4).press("Enter")
    bob.get_by_role("button", name="Take theirs").click()
    assert cell(bob, 0, 4).input_value() == "theirs"
    assert bob.locator("#conflicts li").count() == 0


def test_sheet__what_is_not_valid_is_said_and_not_sent(both: tuple[Page, Page]) -> None:
    ann, bob = both
    cell(ann, 3, 2).fill("101")
    cell(ann, 3, 2).press("Enter")
    ann.wait_for_selector("#sheet input[data-row='3'][data-column='2'][aria-invalid=true]", timeout=30_000)
    cell(ann, 3, 1).fill("7")
    cell(ann, 3, 1).press("Enter")
    wait_for_value(bob, 3, 1, "7")
    assert cell(bob, 3, 2).input_value() == ""


def test_sheet__markup_is_text(both: tuple[Page, Page]) -> None:
    ann, bob = both
    evil = "<img src=x onerror=alert(1)>"
    cell(ann, 4, 4).fill(evil)
    cell(ann, 4, 4).press("Enter")
    wait_for_value(bob, 4, 4, evil)
    assert bob.locator("#sheet img").count() == 0


def test_sheet__ten_people_at_once_lose_nothing_unseen(demo: Site, people: Callable[[str], User]) -> None:
    """Each save is either there or was refused with what is there instead; and each follower hears of all."""
    path = "/sheet/crowd/cells"
    cells = [(0, 0), (0, 1), (1, 0)]
    users = [people(f"user{number}") for number in range(10)]

    def work(number: int) -> list[tuple[tuple[int, int], int, str]]:
        choice = random.Random(number)
        seen = dict.fromkeys(cells, 0)
        saved: list[tuple[tuple[int, int], int, str]] = []
        while len(saved) < 8:
            row, column = place = choice.choice(cells)
            value = f"{number + 1}{len(saved)}"  # no leading zero: the sheet keeps 07 as 7
            change = {"row": row, "column": column, "value": value, "version": seen[place]}
            answer = demo.fetch(path, users[number], method="POST", data=change)
            assert answer.status in (200, 409), answer.body
            seen[place] = answer.json["cell"]["version"]
            if answer.status == 200:
                saved.append((place, seen[place], value))
        return saved

    with demo.socket(users[0]) as follower:
        follower.wait_for("hello")
        follower.send("subscribe", topic="sheet:crowd", ref=1)
        follower.wait_for("subscribed")
        with ThreadPoolExecutor(10) as pool:
            saved = [one for part in pool.map(work, range(10)) for one in part]
        versions = sorted((place, version) for place, version, _value in saved)
        assert len(set(versions)) == len(versions) == 80
        latest = {place: (version, value) for place, version, value in sorted(saved, key=lambda one: one[1])}
        found = demo.fetch(path, users[0]).json["cells"]
        assert {(c["row"], c["column"]): (c["version"], c["value"]) for c in found} == latest
        heard = [follower.wait_for("cell", timeout=30)["payload"] for _ in saved]
        assert sorted(((c["row"], c["column"]), c["version"]) for c in heard) == versions


def counted(page: Page, value: int) -> None:
    page.locator("#counter").get_by_text(str(value), exact=True).wait_for(timeout=60_000)


def test_counter__raised_on_one_page_shown_on_the_other(
    demo: Site, browser: Chromium, people: Callable[[str], User]
) -> None:
    page = browser.page(demo, people("ann"), "/counter/")
    page.wait_for_selector("#connection[data-live=true]", timeout=30_000)
    before = int(page.locator("#counter").inner_text())
    raising = browser.page(demo, people("bob"), "/counter/demo/raise/")
    for number in range(3):
        raising.get_by_role("button", name="Raise it by one").click()
        counted(page, before + 1 + number)


def test_counter__right_after_every_reconnect(demo: Site, browser: Chromium, people: Callable[[str], User]) -> None:
    page = browser.page(demo, people("ann"), "/counter/")
    for _ in range(2):
        page.wait_for_selector("#connection[data-live=true]", timeout=60_000)
        demo.processes["daphne"].kill()
        value = demo.run(RAISE)
        demo.daphne()
        counted(page, value)


def test_counter__without_websockets(demo: Site, browser: Chromium, people: Callable[[str], User]) -> None:
    """What the page shows comes with its polls; these are made more often than each minute here."""
    user = people("ann")
    page = browser.context(demo, user).new_page()
    page.add_init_script(NO_WEBSOCKET)
    page.goto("/counter/")
    page.wait_for_function("() => window.catmaidNotify?.state === 'polling'", timeout=30_000)
    value = demo.run(RAISE)
    page.evaluate("() => window.catmaidNotify.sync()")
    counted(page, value)


def calls_of(demo: Site, browser: Chromium, user: User) -> Page:
    page = browser.page(demo, user, "/calls/")
    page.wait_for_selector("#connection[data-live=true]", timeout=30_000)
    return page


def calls_in_another_browser(demo: Site, browser: Chromium, user: User) -> Page:
    """Sign in once more: another session of the same user."""
    page = browser.context(demo).new_page()
    page.goto("/login/?next=/calls/")
    page.fill("[name=username]", user.name)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_selector("#connection[data-live=true]", timeout=30_000)
    return page


def make_call(page: Page, text: str, to: str, **chosen: str) -> None:
    """Make a call, and wait for the answer: calls on their way at once are made in any order."""
    page.locator("[name=to]").select_option(to)
    for name, value in chosen.items():
        page.locator(f"[name={name}]").select_option(value)
    page.locator("[name=text]").fill(text)
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_role("button", name="Call").click()


def came(page: Page, kind: str) -> list[str]:
    """Return the calls on a page whose text begins so; another test may have left its last one to the topic."""
    return [text for text in page.locator("#calls strong").all_inner_texts() if text.startswith(kind)]


def test_calls__each_reaches_its_audience_once(demo: Site, browser: Chromium, people: Callable[[str], User]) -> None:
    ann, bob = people("ann"), people("bob")
    group = f"group{bob.pk}"
    demo.run(
        "from django.contrib.auth.models import Group, User\n"
        "User.objects.get(pk=pk).groups.add(Group.objects.create(name=group))",
        pk=bob.pk,
        group=group,
    )
    anns, bobs = calls_of(demo, browser, ann), calls_of(demo, browser, bob)
    other_session = calls_in_another_browser(demo, browser, bob)
    make_call(anns, "call to bob", "user", user=bob.name)
    make_call(anns, "call to the group", "group", group=group)
    make_call(bobs, "call to this browser", "session")
    # The last one comes after all others: the sender and the receivers keep their order.
    make_call(anns, "call from ann", "everyone")
    for page in (anns, bobs, other_session):
        page.locator("#calls").get_by_text("call from ann").wait_for(timeout=30_000)
    make_call(bobs, "call from bob", "everyone")
    for page in (anns, bobs, other_session):
        page.locator("#calls").get_by_text("call from bob").wait_for(timeout=30_000)
    assert sorted(came(anns, "call")) == ["call from ann", "call from bob"]
    assert sorted(came(bobs, "call")) == [
        "call from ann",
        "call from bob",
        "call to bob",
        "call to the group",
        "call to this browser",
    ]
    assert sorted(came(other_session, "call")) == ["call from ann", "call from bob", "call to bob", "call to the group"]


def test_calls__who_comes_later_gets_the_last_one(demo: Site, browser: Chromium, people: Callable[[str], User]) -> None:
    page = calls_of(demo, browser, people("ann"))
    for text in ("the first", "the last"):
        make_call(page, text, "topic")
        page.locator("#calls").get_by_text(text).wait_for(timeout=30_000)
    assert came(page, "the") == ["the last", "the first"]
    later = calls_of(demo, browser, people("bob"))
    later.locator("#calls").get_by_text("the last").wait_for(timeout=30_000)
    assert came(later, "the") == ["the last"]


def test_calls__what_is_missing_is_said(demo: Site, browser: Chromium, people: Callable[[str], User]) -> None:
    page = calls_of(demo, browser, people("ann"))
    make_call(page, "to nobody", "user")
    page.get_by_role("alert").get_by_text("Choose a user.").wait_for()

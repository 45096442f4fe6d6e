"""The main job, end to end: a crop finishes in a Celery worker, and its message is on the user's page.

The demo's own page in Chromium, Daphne and gunicorn behind a proxy, RabbitMQ, PostgreSQL and a worker process.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Page, expect

from tests.conftest import site_maker
from tests.support.browser import RESULTS, Chromium
from tests.support.site import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

POLL_SECONDS = 2
LIVE, POLLING = "live", "polling"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo with its sample volume, served as a real site is."""
    folder = tmp_path_factory.mktemp("demo")
    env = {"DEMO_VAR": str(folder), "DEMO_POLL_SECONDS": str(POLL_SECONDS)}
    with site_maker(tmp_path_factory)(project="demo", env=env) as site:
        site.manage("demo_prepare", timeout=120)
        site.serve()
        site.worker()
        yield site


def sign_in(browser: Chromium, site: Site, name: str = "demo") -> Page:
    """Open the demo and sign in as people do."""
    page = browser.context(site).new_page()
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(name)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    return page


def wait_for_state(page: Page, state: str, *, seconds: float = 60) -> None:
    """Return when the client is in that state."""
    page.wait_for_function("state => window.catmaidNotify?.state === state", arg=state, timeout=seconds * 1000)


def watch(page: Page) -> None:
    """Note each value that a progress bar shows, and each message that the client announces."""
    page.evaluate(
        """() => {
            window.seen = { bars: [], messages: [] };
            catmaidNotify.on("message", ({ message }) => window.seen.messages.push(message.id));
            const look = () => {
                for (const bar of document.querySelectorAll("progress")) {
                    const { bars } = window.seen;
                    if (bar.hasAttribute("value") && bars.at(-1) !== bar.value) bars.push(bar.value);
                }
                requestAnimationFrame(look);
            };
            look();
        }"""
    )


def draw_region(page: Page) -> dict[str, int]:
    """Draw a rectangle with the pointer, choose all slices, and return what the form then says."""
    box = page.locator("#slice").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.65, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="All slices").click()
    names = ("left", "top", "width", "height", "first", "last")
    return {name: int(page.locator(f"#region [name={name}]").input_value()) for name in names}


def crop(page: Page, *, stack: str) -> dict[str, int]:
    """Ask for a crop of a drawn region of this stack."""
    page.locator("#stack").select_option(stack)
    region = draw_region(page)
    page.get_by_role("button", name="Crop", exact=True).click()
    expect(page.locator("#region-done")).to_contain_text("has begun")
    return region


def expected_pixels(site: Site, stack: str, region: dict[str, int]) -> Any:
    """Read the region from the stack, slice by slice, with the demo's own sources."""
    code = """
from demo.crops.stacks import stacks
from demo.volumes.windows import Window
source = stacks()[stack].source
window = Window(x0=left, y0=top, x1=left + width, y1=top + height)
result = [source.read(z, window).tolist() for z in range(first, last + 1)]
"""
    return np.array(site.run(code, stack=stack, **region))


def download(page: Page) -> bytes:
    """Follow the link of the newest message in the panel."""
    page.get_by_role("button", name=re.compile("[Mm]essage|[Nn]otification|[Ii]nbox")).first.click()
    link = page.locator(".catmaid-notify__messages a").first
    with page.expect_download() as downloading:
        link.click()
    return Path(downloading.value.path()).read_bytes()


@pytest.fixture
def stack_names(demo: Site) -> list[str]:
    return list(demo.run("from demo.crops.stacks import stacks\nresult = list(stacks())"))


def test_crop__bar_moves_message_appears_pixels_are_exact(
    demo: Site, browser: Chromium, stack_names: list[str]
) -> None:
    page = sign_in(browser, demo)
    wait_for_state(page, LIVE)
    for stack in stack_names:
        watch(page)
        region = crop(page, stack=stack)
        page.wait_for_function("() => window.seen.messages.length === 1", timeout=60_000)
        bars = page.evaluate("window.seen.bars")
        assert len({value for value in bars if value}) >= 1, f"the bar did not move: {bars}"
        content = download(page)
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            assert tiff.is_imagej
            pixels = tiff.asarray()
            metadata = tiff.imagej_metadata or {}
        assert np.array_equal(pixels, expected_pixels(demo, stack, region))
        assert metadata["spacing"] > 0
        page.keyboard.press("Escape")
        page.reload()
        wait_for_state(page, LIVE)
    RESULTS.mkdir(exist_ok=True)
    page.screenshot(path=RESULTS / "main-job.png")
    assert page.evaluate("window.catmaidNotify.transport") == "websocket"


def test_crop__through_polling_while_the_asgi_server_is_down_then_push_again(
    demo: Site, browser: Chromium, stack_names: list[str]
) -> None:
    page = sign_in(browser, demo)
    wait_for_state(page, LIVE)
    watch(page)
    daphne = demo.processes["daphne"]
    daphne.stop()
    try:
        wait_for_state(page, POLLING)
        crop(page, stack=stack_names[0])
        page.wait_for_function("() => window.seen.messages.length === 1", timeout=60_000)
        assert page.evaluate("window.catmaidNotify.state") == POLLING
    finally:
        demo.daphne()
    wait_for_state(page, LIVE, seconds=90)
    user = demo.run("result = get_user_model().objects.get(username='demo').pk")
    demo.run("api.notify_user(user, 'By push again')", user=user)
    page.wait_for_function("() => window.seen.messages.length === 2", timeout=10_000)


def test_notify_user__rolled_back_shows_nothing(demo: Site, browser: Chromium) -> None:
    page = sign_in(browser, demo, "guest")
    wait_for_state(page, LIVE)
    watch(page)
    code = """
from django.db import transaction
class Undo(Exception): pass
try:
    with transaction.atomic():
        api.notify_user(user, "Never shown")
        raise Undo
except Undo:
    pass
result = api.notify_user(user, "Shown").pk
"""
    user = demo.run("result = get_user_model().objects.get(username='guest').pk")
    shown = demo.run(code, user=user)
    page.wait_for_function("() => window.seen.messages.length >= 1")
    page.evaluate("() => catmaidNotify.sync()")
    assert page.evaluate("window.seen.messages") == [shown]


def test_crop__of_someone_else_can_not_be_downloaded(demo: Site, browser: Chromium, stack_names: list[str]) -> None:
    page = sign_in(browser, demo)
    wait_for_state(page, LIVE)
    watch(page)
    crop(page, stack=stack_names[0])
    page.wait_for_function("() => window.seen.messages.length === 1", timeout=60_000)
    action = page.evaluate("() => catmaidNotify.messages?.[0]?.action ?? ''") or demo.run(
        "result = Message.objects.exclude(action='').latest('id').action"
    )
    guest = demo.user("somebody")
    assert demo.fetch(action, guest).status == 404
    assert demo.fetch(action).status in (302, 401)


@pytest.mark.parametrize(
    "body",
    [
        {"stack": "no such stack"},
        {"x": [-1, 10]},
        {"x": [5, 5]},
        {"y": [10, 0]},
        {"x": [0, 10**9]},
        {"z": [0, 65536]},
        {"x": [0, "many"]},
        {"y": "all"},
        {"zoom": 99},
    ],
    ids=str,
)
def test_crop__bad_regions_are_refused_in_words(demo: Site, stack_names: list[str], body: dict[str, Any]) -> None:
    user = demo.user(f"bad-{secrets.token_hex(4)}")
    region = {"stack": stack_names[0], "x": [0, 10], "y": [0, 10], "z": [0, 2], "zoom": 0}
    assert demo.fetch("/crops/", user, method="POST", data=region).status == 201
    answer = demo.fetch("/crops/", user, method="POST", data={**region, **body})
    assert answer.status == 400
    assert len(answer.json["error"]) > 10

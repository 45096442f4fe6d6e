"""The page in Chromium: the slice, drawing and typing a region, what is wrong in words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.demo.running import Running
from tests.support.environment import require
from tests.support.process import Process, all_stopped

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.browser import Chromium

pytestmark = pytest.mark.real

FIELDS = ("left", "top", "width", "height", "first", "last")


class DemoSite(Running):
    """Running, as the browser fixture sees a site."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoSite]:
    """One demo for all tests here; who takes something away puts it back."""
    require("chromium")
    folder = tmp_path_factory.mktemp("demo")

    def start(name: str, *command: str, env: dict[str, str]) -> Process:
        return Process(name, command, folder=folder, env=env)

    with all_stopped():
        site = DemoSite(folder, start, DEMO_CROP_BYTES_MAX="100000")
        site.start()
        yield site


@pytest.fixture
def page(demo: DemoSite, browser: Chromium) -> Iterator[Page]:
    """The page of the user "demo", with the first slice on show: 64 × 64 pixels, each eight times as large."""
    page = sign_in(demo, browser)
    yield page
    refused = [line for line in browser.console if "Content Security Policy" in line or "Trusted" in line]
    assert refused == []


def sign_in(demo: DemoSite, browser: Chromium, **options: Any) -> Page:
    given = {"viewport": {"width": 1200, "height": 800}, **options}
    page = browser.context(demo, **given).new_page()  # type: ignore[arg-type]
    page.goto("/")
    page.get_by_label("Name").fill("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()
    shown(page, 0)
    return page


def shown(page: Page, z: int) -> None:
    """Wait until a slice is painted."""
    page.wait_for_selector(f"#slice[data-shown='{z}']")


def values(page: Page) -> list[int]:
    return [int(page.locator(f"[name={name}]").input_value()) for name in FIELDS]


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return where on the screen a position of the stack is, which fills the canvas but for a margin of 12 px."""
    box = page.locator("#slice").bounding_box()
    assert box is not None
    scale = min(box["width"] - 24, box["height"] - 24) / 64
    return (
        box["x"] + box["width"] / 2 + (x - 32) * scale,
        box["y"] + box["height"] / 2 + (y - 32) * scale,
    )


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *[(a + b) / 2 for a, b in zip(start, end, strict=True)]))
    page.mouse.move(*at(page, *end))
    page.mouse.up()


def screen(page: Page) -> Any:
    """Return what the canvas shows, as grey values."""
    picture = page.locator("#slice").screenshot()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(int)


def test_region__drawn_moved_and_resized(page: Page) -> None:
    drag(page, (10.5, 8.5), (29.5, 39.5))
    assert values(page) == [10, 8, 20, 32, 0, 39]
    assert page.locator("#estimate").inner_text() == "20 × 32 × 40 pixels, 80 nm × 128 nm × 1.6 µm: 26 kB"
    drag(page, (20.5, 20.5), (25.5, 18.5))
    assert values(page)[:4] == [15, 6, 20, 32]
    drag(page, (35, 38), (40.5, 42.5))
    assert values(page)[:4] == [15, 6, 26, 37]
    drag(page, (15, 20), (5.5, 30))
    assert values(page)[:4] == [5, 6, 36, 37]


def test_region__drawn_backwards_and_beyond_the_slice(page: Page) -> None:
    drag(page, (40.5, 30.5), (-1, -1))
    assert values(page)[:4] == [0, 0, 41, 31]


def test_region__a_click_draws_nothing(page: Page) -> None:
    drag(page, (10.5, 8.5), (29.5, 39.5))
    page.mouse.click(*at(page, 50, 50))
    assert values(page)[:4] == [10, 8, 20, 32]


def test_region__typed_is_painted(page: Page) -> None:
    before = screen(page)
    page.get_by_role("button", name="Whole area").click()
    whole = screen(page)
    assert (before != whole).mean() > 0.3
    page.get_by_label("Width").fill("12")
    assert 0.02 < (before != screen(page)).mean() < 0.3
    page.get_by_label("Width").fill("")
    assert (before != screen(page)).mean() < 1e-4  # not 0: Chromium paints the round corners a little differently
    assert page.locator("#estimate").is_hidden()


def test_region__escape_removes_it(page: Page) -> None:
    drag(page, (10.5, 8.5), (29.5, 39.5))
    page.keyboard.press("Escape")
    assert page.get_by_label("Width").input_value() == ""


def test_slices__wheel_keys_slider(page: Page) -> None:
    page.mouse.move(*at(page, 32, 32))
    page.mouse.wheel(0, 120)
    shown(page, 1)
    page.locator("#slice").focus()
    page.keyboard.press("PageDown")
    shown(page, 2)
    page.keyboard.press("End")
    shown(page, 39)
    page.keyboard.press("PageDown")
    assert page.locator("#z-shown").inner_text() == "39 of 0–39"
    page.keyboard.press("Home")
    shown(page, 0)
    page.locator("#z").focus()
    page.keyboard.press("ArrowRight")
    shown(page, 1)
    assert page.locator("#z-shown").inner_text() == "1 of 0–39"


def test_slices__the_pixels_of_the_slice_on_show(page: Page, demo: DemoSite) -> None:
    """Each pixel of the stack is a square of several pixels of the screen; their middles are compared."""
    page.locator("#slice").focus()
    page.keyboard.press("PageDown")
    shown(page, 1)
    page.evaluate("document.activeElement.blur()")
    picture = screen(page)
    box = page.locator("#slice").bounding_box()
    assert box is not None
    (left, top), (right, bottom) = at(page, 0, 0), at(page, 64, 64)
    middles = (np.arange(64) + 0.5) / 64
    rows = (top - box["y"] + middles * (bottom - top)).astype(int)
    columns = (left - box["x"] + middles * (right - left)).astype(int)
    found = picture[np.ix_(rows, columns)]
    content = demo.client().get("/stacks/small/0/1/0/0.jpg")
    expected = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    assert np.abs(found - expected).max() <= 2


def test_magnification(page: Page) -> None:
    def percent() -> float:
        return float(page.locator("#zoom-shown").inner_text().rstrip(" %"))

    fitted = percent()
    page.get_by_role("button", name="Larger").click()
    assert percent() == pytest.approx(fitted * 2**0.5, rel=0.01)
    page.locator("#slice").focus()
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert percent() == pytest.approx(fitted / 2**0.5, rel=0.01)
    before = screen(page)
    page.keyboard.press("ArrowRight")
    assert (before != screen(page)).any()
    page.keyboard.press("0")
    assert percent() == fitted
    page.mouse.move(*at(page, 10, 10))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    assert percent() == pytest.approx(fitted * 2**0.5, rel=0.01)


def test_move_tool__moves_instead_of_drawing(page: Page) -> None:
    before = screen(page)
    page.get_by_text("Move", exact=True).click()
    drag(page, (20, 20), (30, 20))
    assert page.get_by_label("Width").input_value() == ""
    assert (before != screen(page)).mean() > 0.2


def test_crop__with_the_keyboard_only(page: Page) -> None:
    page.get_by_label("Left (x)").focus()
    for value in ("3", "4", "30", "20", "2", "5"):
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.get_by_label("Last slice (z)").focus()
    page.keyboard.press("Enter")
    download = page.get_by_role("link", name="Download Crop of A small stack, 30 × 20 × 4 pixels").first
    download.wait_for()
    with page.expect_download() as downloading:
        download.press("Enter")
    assert downloading.value.suggested_filename == "small_x3-33_y4-24_z2-6_zoom0.tif"
    page.get_by_text("Crop of A small stack is ready").locator("visible=true").first.wait_for()


def test_crop__what_is_wrong_is_said_at_the_form(page: Page, demo: DemoSite) -> None:
    error = page.locator("#region-error")
    crops = len(demo.client().crops())
    page.get_by_role("button", name="Crop", exact=True).click()
    assert "Draw a rectangle on the slice first" in error.inner_text()
    assert page.get_by_label("Left (x)").get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name="Whole area").click()
    assert error.is_hidden()
    assert "which is more than the 100 kB that are allowed" in page.locator("#estimate").inner_text()
    page.get_by_role("button", name="Crop", exact=True).click()
    error.get_by_text("The region is too large: 64 × 64 × 40 pixels").wait_for()
    page.get_by_role("button", name="This slice").click()
    page.get_by_label("Width").fill("99")
    page.get_by_role("button", name="Crop", exact=True).click()
    error.get_by_text("x ends outside of the stack, which has 64 pixels along x.").wait_for()
    page.get_by_label("Width").fill("9")
    page.get_by_label("First slice").fill("7")
    page.get_by_role("button", name="Crop", exact=True).click()
    error.get_by_text("z ends before it begins.").wait_for()
    assert len(demo.client().crops()) == crops


def test_crop__failure_is_in_the_message_and_in_the_list(page: Page, demo: DemoSite) -> None:
    demo.tile(20).unlink()
    page.get_by_role("button", name="Whole area").click()
    page.get_by_label("First slice").fill("19")
    page.get_by_label("Last slice").fill("21")
    page.get_by_role("button", name="Crop", exact=True).click()
    words = "The image tile at z=20, row=0, column=0, zoom level 0 is missing."
    page.locator("#crops li[data-state=failed]").get_by_text(words).wait_for()
    demo.unblock(20)
    page.get_by_text(words).locator("visible=true").nth(1).wait_for()


def test_slices__a_missing_tile_is_said(page: Page, demo: DemoSite) -> None:
    demo.tile(3).unlink()
    page.locator("#z").fill("3")
    words = "The image tile at z=3, row=0, column=0, zoom level 0 is missing."
    page.locator("#trouble").get_by_text(words).wait_for()
    demo.unblock(3)
    page.locator("#z").fill("5")
    shown(page, 5)
    assert page.locator("#trouble").is_hidden()


def test_session__ended_elsewhere_leads_to_the_login(page: Page) -> None:
    page.context.clear_cookies(name="demo_sessionid")
    page.get_by_role("button", name="Whole area").click()
    page.get_by_role("button", name="This slice").click()
    page.get_by_role("button", name="Crop", exact=True).click()
    page.wait_for_url("**/login/**")


def test_sign_out(page: Page, demo: DemoSite) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    page.goto("/")
    assert "/login/" in page.url


def test_page__small_screen(demo: DemoSite, browser: Chromium) -> None:
    page = sign_in(demo, browser, viewport={"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("button", name="Whole area").click()
    assert values(page)[:4] == [0, 0, 64, 64]


def test_login__wrong_password_in_words(demo: DemoSite, browser: Chromium) -> None:
    page = browser.context(demo).new_page()  # type: ignore[arg-type]
    page.goto("/")
    page.get_by_label("Name").fill("demo")
    page.get_by_label("Password").fill("no")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The name or the password is wrong.").wait_for()

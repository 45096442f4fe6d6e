"""Generator of docs/images/demo.png, the picture in README.md: the demo after a crop, in headless Chromium."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, ViewportSize, sync_playwright  # noqa: E402

from tests.support.browser import FLAGS  # noqa: E402
from tests.support.environment import CHROMIUM  # noqa: E402
from tests.support.ports import free_port  # noqa: E402
from tests.support.process import PYTHON, Process, all_stopped  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "demo.png"
SIZE = ViewportSize(width=1280, height=900)


def crop(page: Page) -> None:
    """Sign in, draw a region, crop all slices, and wait for the message."""
    page.get_by_label("Name").fill("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_function("() => window.catmaidNotify?.state === 'live'")
    box = page.locator("#slice").bounding_box()
    if box is None:
        raise SystemExit("The demo shows no slice.")
    page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.65, box["y"] + box["height"] * 0.7, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="All slices").click()
    page.get_by_role("button", name="Crop", exact=True).click()
    page.locator(".catmaid-notify__toasts li").first.wait_for()


def main() -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, all_stopped(), sync_playwright() as playwright:
        command = [PYTHON, str(ROOT / "demo" / "manage.py"), "demo", "--port", str(port)]
        demo = Process("demo", command, folder=Path(folder), env={"DEMO_VAR": folder})
        demo.wait_for("Ctrl-C ends it", timeout=120)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        page.goto(f"http://localhost:{port}/")
        crop(page)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURE, animations="disabled")
        browser.close()
        demo.signal(signal.SIGINT)
        demo.wait()


if __name__ == "__main__":
    main()

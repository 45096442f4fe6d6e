"""Generator of the pictures of the bundled inbox in docs/images, light and dark, on a real site."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, ViewportSize, expect  # noqa: E402

from tests.support.browser import Chromium, chromium  # noqa: E402
from tests.support.inbox import Inbox, notify  # noqa: E402
from tests.support.site import Site, User  # noqa: E402

FOLDER = ROOT / "docs" / "images"
SIZE = ViewportSize(width=760, height=640)
STORED = """
from datetime import timedelta
from django.utils import timezone
from catmaid_notify.models import TaskProgress
DAY = 86_400
for title, seconds, level, text, read in [
    ("Import of 412 neurons is finished", 9 * DAY, "success", "", True),
    ("Export of 12 skeletons has failed", 2 * DAY, "error", "The server has no room left.", False),
    ("Your quota is nearly used up", 7_300, "warning", "You have used 9.3 of 10 GB.", False),
    ("Crop of FAFB14 is ready", 200, "success", "40 slices, 160 MB", False),
]:
    made = Message.objects.create(user_id=user, title=title, level=level, text=text, read=read, action="/inbox/")
    Message.objects.filter(pk=made.pk).update(time=timezone.now() - timedelta(seconds=seconds))
TaskProgress.objects.create(
    task_id=f"crop of {user}", user_id=user, title="Crop of Hemibrain", done=412, total=1000, text="slice 412 of 1000"
)
"""


def take(page: Page, name: str, theme: str) -> None:
    page.screenshot(path=FOLDER / f"{name}-{theme}.png", animations="disabled")


def panel(site: Site, browser: Chromium, user: User, theme: str) -> None:
    """Take a picture of the open panel, with a running task, unread messages and read ones."""
    context = browser.context(site, user, viewport=SIZE, color_scheme=theme, device_scale_factor=2)
    inbox = Inbox.of(context).open()
    expect(inbox.message("Import of 412 neurons is finished")).to_be_attached()
    inbox.page.mouse.move(5, SIZE["height"] - 5)
    take(inbox.page, "panel", theme)


def toasts(site: Site, browser: Chromium, user: User, theme: str) -> None:
    """Take a picture of toasts of three levels."""
    context = browser.context(site, user, viewport=SIZE, color_scheme=theme, device_scale_factor=2)
    inbox = Inbox.of(context)
    notify(site, user, "Crop of FAFB14 is ready", text="40 slices, 160 MB", level="success", action="/inbox/")
    notify(site, user, "Your quota is nearly used up", text="You have used 9.3 of 10 GB.", level="warning")
    notify(site, user, "Export of 12 skeletons has failed", text="The server has no room left.", level="error")
    expect(inbox.toasts).to_have_count(3)
    take(inbox.page, "toasts", theme)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Site.of(Path(folder), database="sqlite") as site,
        chromium() as browser,
    ):
        site.daphne()
        for theme in ("light", "dark"):
            ann = site.user(f"ann-{theme}")
            site.run(STORED, user=ann)
            panel(site, browser, ann, theme)
            toasts(site, browser, site.user(f"toasts-{theme}"), theme)


if __name__ == "__main__":
    main()

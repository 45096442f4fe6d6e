"""How much of the package somebody has to read to follow one message from `notify_user` to the socket."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

import catmaid_notify
from catmaid_notify.api import notify_user
from tests.support.drivers import Page

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from pytest_django import Settings

    from tests.support.rabbitmq import Vhost

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

PACKAGE = Path(catmaid_notify.__file__).parent
MODULES_MAX = 15


class Profile:
    """The package's modules of which a function runs, in any thread that begins while this is set, when asked for."""

    def __init__(self) -> None:
        self._seen: set[CodeType] = set()
        self.is_on = False

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self.is_on and event == "call":
            self._seen.add(frame.f_code)

    def modules(self) -> list[str]:
        paths = {Path(code.co_filename) for code in self._seen if code.co_name != "<module>"}
        return sorted(path.relative_to(PACKAGE).as_posix() for path in paths if path.is_relative_to(PACKAGE))


async def arrived(page: Page, title: str) -> None:
    """Return once the page has got that message."""
    while True:
        frame = await page.frame()
        if frame["event"] == "new-message" and frame["payload"]["message_title"] == title:
            return


async def test_modules__from_notify_user_to_the_socket(
    vhost: Vhost, settings: Settings, django_user_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message of the settled state: connections are there, and the worker's thread is another than the server's."""
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": vhost.url}}
    }
    user = await django_user_model.objects.acreate_user("ann")
    profile = Profile()
    threading.setprofile(profile)
    sys.setprofile(profile)

    def work(title: str) -> None:
        notify_user(user, title)
        connections.close_all()

    page = Page(user=user)
    try:
        await page.live()
        for title in ("connects", "counts"):
            profile.is_on = title == "counts"
            await asyncio.to_thread(work, title)
            await arrived(page, title)
    finally:
        profile.is_on = False
        threading.setprofile(None)
        sys.setprofile(None)
        await page.leave()
    found = profile.modules()
    with capsys.disabled():
        print(f"\n{len(found)} modules from notify_user to the socket: {', '.join(found)}")  # noqa: T201
    assert "api.py" in found
    assert len(found) <= MODULES_MAX

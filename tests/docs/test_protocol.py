"""docs/protocol.md has every event, close code and field that there is."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async

from catmaid_notify.protocol import SUBPROTOCOL, Close, Event
from tests.docs import examples, pages
from tests.support.drivers import Page, until

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import Settings

PAGE = "protocol.md"


class Connection:
    """Fake of a connection of ``websockets`` to our consumer."""

    def __init__(self, url: str, *, origin: str, subprotocols: list[str], additional_headers: dict[str, str]) -> None:
        self.url = url
        self.events: list[str] = []
        headers = [(b"host", origin.removeprefix("https://").encode()), (b"origin", origin.encode())]
        self._page = Page(subprotocols=subprotocols, cookie=additional_headers["Cookie"], headers=headers)
        self._page.scope["scheme"] = "wss"

    async def __aenter__(self) -> Connection:
        await self._page.open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._page.leave()

    async def __aiter__(self) -> Any:
        while True:
            frame = await self._page.frame()
            self.events.append(frame["event"])
            yield json.dumps(frame)

    async def send(self, text: str) -> None:
        self._page.send_text(text)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closing_connections")
async def test_example(settings: Settings, client: Client, user: User) -> None:
    from catmaid_notify.api import notify_user

    settings.CATMAID_NOTIFY_PING_SECONDS = 0.02
    namespace: dict[str, Any] = {}
    examples.run(PAGE, namespace)
    shown: list[str] = []
    opened: list[Connection] = []

    def connect(url: str, **options: Any) -> Connection:
        opened.append(Connection(url, **options))
        return opened[-1]

    namespace.update(connect=connect, print=shown.append)
    await sync_to_async(client.force_login)(user)
    listening = asyncio.create_task(namespace["listen"]("testserver", client.cookies["sessionid"].value))
    # The server sends a ping only after the last one was answered.
    await until(lambda: bool(opened) and opened[0].events.count("ping") > 1)
    await sync_to_async(notify_user)(user, "Import finished")
    await until(lambda: shown == ["Import finished"])
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert opened[0].url == "wss://testserver/channels/updates/"


def test_events__a_row_each():
    listed = [row[0].strip("`") for row in pages.rows(pages.section(PAGE, "## Events"))]
    assert listed == [str(event) for event in Event]


def test_close_codes__a_row_each():
    listed = [int(row[0]) for row in pages.rows(pages.section(PAGE, "## Close codes"))]
    assert listed == [int(code) for code in Close]


def test_subprotocol__is_named():
    assert f"`{SUBPROTOCOL}`" in pages.section(PAGE, "## Opening a socket")


def test_limits__are_the_defaults():
    from catmaid_notify.conf import Conf

    text = pages.page(PAGE)
    assert (Conf.FRAME_BYTES_MAX, Conf.FRAMES_PER_MINUTE) == (1024, 240)
    assert "may have 1 KiB" in text
    assert "240 a minute" in text
    assert f"{Conf.PING_SECONDS:g} seconds by default" in text
    assert f"in {Conf.PONG_SECONDS:g} seconds" in text

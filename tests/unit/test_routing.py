from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import HttpCommunicator, WebsocketCommunicator

from catmaid_notify import api, routing
from catmaid_notify.protocol import SUBPROTOCOL
from tests.unit.drivers import HOST, ORIGIN

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

HEADERS = [(b"host", HOST), (b"origin", ORIGIN)]


@pytest.fixture
def application() -> Any:
    return routing.application()


@pytest.mark.django_db(transaction=True)
async def test_application__message_reaches_the_page(application: Any, signed_in: Client, user: User) -> None:
    cookie = f"sessionid={signed_in.cookies['sessionid'].value}".encode()
    socket = WebsocketCommunicator(
        application, "/channels/updates/", headers=[*HEADERS, (b"cookie", cookie)], subprotocols=[SUBPROTOCOL]
    )
    assert await socket.connect() == (True, SUBPROTOCOL)
    assert (await socket.receive_json_from())["event"] == "hello"
    stored = await database_sync_to_async(api.notify_user)(user, "Crop finished")
    frame = await socket.receive_json_from()
    assert (frame["event"], frame["id"]) == ("new-message", stored.pk)
    await socket.disconnect()


async def get(application: Any, path: str) -> dict[str, Any]:
    """Return the answer once the application has ended: it closes its files then."""
    request = HttpCommunicator(application, "GET", path, headers=HEADERS)
    response: dict[str, Any] = await request.get_response()
    await request.wait()
    return response


@pytest.mark.django_db(transaction=True)
async def test_application__health(application: Any) -> None:
    response = await get(application, "/channels/health/")
    assert response["status"] == 200
    assert json.loads(response["body"])["status"] == "ok"


@pytest.mark.django_db(transaction=True)
async def test_application__rest_is_djangos(application: Any) -> None:
    response = await get(application, "/notify/unread")
    assert response["status"] == 401


@pytest.mark.parametrize("path", ["/", "/channels/", "/channels/updates", "/channels/updates/x", "/channels/health/"])
async def test_application__other_sockets_are_refused_without_a_traceback(application: Any, path: str) -> None:
    socket = WebsocketCommunicator(application, path, headers=HEADERS)
    connected, _code = await socket.connect()
    assert not connected
    async with asyncio.timeout(5):
        await socket.wait()


def test_patterns__are_below_channels() -> None:
    assert [str(pattern.pattern) for pattern in routing.websocket_urlpatterns] == ["channels/updates/"]
    assert [str(pattern.pattern) for pattern in routing.http_urlpatterns] == ["channels/health/"]

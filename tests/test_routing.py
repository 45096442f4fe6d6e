from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from channels.db import database_sync_to_async

from catmaid_notify import api, routing
from tests.support.drivers import http

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.test import Client

    from tests.support.drivers import Page


@pytest.fixture
def application() -> Any:
    return routing.application()


@pytest.mark.django_db(transaction=True)
async def test_application__message_reaches_the_page(
    application: Any, page: Callable[..., Page], signed_in: Client, user: User
) -> None:
    cookie = f"sessionid={signed_in.cookies['sessionid'].value}"
    opened = await page(application=application, cookie=cookie).live()
    stored = await database_sync_to_async(api.notify_user)(user, "Crop finished")
    frame = await opened.frame()
    assert (frame["event"], frame["id"]) == ("new-message", stored.pk)


@pytest.mark.django_db(transaction=True)
async def test_application__health(application: Any) -> None:
    status, _headers, body = await http(application, "/channels/health/")
    assert status == 200
    assert json.loads(body)["status"] == "ok"


@pytest.mark.django_db(transaction=True)
async def test_application__rest_is_djangos(application: Any) -> None:
    status, headers, _body = await http(application, "/notify/unread")
    assert status == 401
    assert headers[b"Content-Type"] == b"application/json"


@pytest.mark.parametrize(
    "path",
    ["", "/", "/channels/", "/channels/updates", "/channels/updates/x", "/channels/updates/\n", "/channels/health/"],
)
async def test_application__other_sockets_are_refused_without_a_traceback(
    application: Any, page: Callable[..., Page], path: str
) -> None:
    opened = page(application=application, path=path)
    assert (await opened.shake_hands())["type"] == "websocket.close"
    assert (await opened.event())["type"] == "ended"


def test_patterns__are_below_channels() -> None:
    assert [str(pattern.pattern) for pattern in routing.websocket_urlpatterns] == ["channels/updates/"]
    assert [str(pattern.pattern) for pattern in routing.http_urlpatterns] == ["channels/health/"]

"""Fixtures of tests without servers: users, what was pushed, what was logged, and sockets without a server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.db import connections

from catmaid_notify import push
from catmaid_notify.realtime.hub import Hub, get_hub
from tests.support.drivers import Page, Pushes, SpyLayer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import Settings


@pytest.fixture(autouse=True)
def forgetful(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What modules remember for a process belongs to one test."""
    if request.node.get_closest_marker("real"):  # it has parts that live longer
        yield
        return
    monkeypatch.setattr(push, "_local_hub", None)
    monkeypatch.setattr(push, "_lost_logged_at", -60.0)
    push._transports.clear()
    channel_layers.backends = {}
    yield
    push._transports.clear()


@pytest.fixture
def user(db: None, django_user_model: type[User]) -> User:
    """Somebody."""
    return django_user_model.objects.create_user("ann", password="secret of ann")


@pytest.fixture
def other(db: None, django_user_model: type[User]) -> User:
    """Somebody else."""
    return django_user_model.objects.create_user("bob", password="secret of bob")


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    """Django's test client with a session of ``user``."""
    client.force_login(user)
    return client


@pytest.fixture
def pushes(monkeypatch: pytest.MonkeyPatch) -> Pushes:
    """Everything that is handed to the layer, instead of a layer."""
    recorded = Pushes()
    monkeypatch.setattr(push, "transport", lambda: lambda group, message: recorded.append((group, message)))
    return recorded


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the app logs; its logger does not propagate, so caplog alone hears nothing."""
    logger = logging.getLogger("catmaid_notify")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)


@pytest.fixture
def spy_layer(settings: Settings) -> Callable[[], SpyLayer]:
    """Take `SpyLayer` as the channel layer; call it to get the hub's."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.drivers.SpyLayer"}}
    return lambda: channel_layers["default"]


@pytest_asyncio.fixture
async def hub() -> Hub:
    """The hub of the test's loop."""
    return get_hub()


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Callable[..., Page]]:
    """Make pages: ``page(user=…)``; they leave at the end of the test, and none may have failed."""
    made: list[Page] = []

    def make(**options: Any) -> Page:
        made.append(Page(**options))
        return made[-1]

    yield make
    for opened in made:
        await opened.leave()


@pytest_asyncio.fixture
async def closing_connections() -> AsyncIterator[None]:
    """Close what asgiref's thread opened: a test database with connections can't be dropped."""
    yield
    close: Callable[[], Awaitable[None]] = sync_to_async(connections.close_all)
    await close()

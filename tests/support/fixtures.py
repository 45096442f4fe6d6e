"""Fixtures without servers: users, pushed messages, log records, and sockets."""

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
    """Reset the state that modules keep for a process, before each test."""
    if request.node.get_closest_marker("real"):  # such tests have parts that live longer
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
    """Create a user."""
    return django_user_model.objects.create_user("ann", password="secret of ann")


@pytest.fixture
def other(db: None, django_user_model: type[User]) -> User:
    """Create another user."""
    return django_user_model.objects.create_user("bob", password="secret of bob")


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    """Return Django's test client with a session of ``user``."""
    client.force_login(user)
    return client


@pytest.fixture
def pushes(monkeypatch: pytest.MonkeyPatch) -> Pushes:
    """Record everything that is handed to the channel layer, in place of a layer."""
    recorded = Pushes()
    monkeypatch.setattr(push, "transport", lambda: lambda group, message: recorded.append((group, message)))
    return recorded


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Capture the app's log records. Its logger does not propagate, so caplog alone gets none."""
    logger = logging.getLogger("catmaid_notify")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)


@pytest.fixture
def spy_layer(settings: Settings) -> Callable[[], SpyLayer]:
    """Use `SpyLayer` as the channel layer; the fixture is a function that returns the hub's instance."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.drivers.SpyLayer"}}
    return lambda: channel_layers["default"]


@pytest_asyncio.fixture
async def hub() -> Hub:
    """Return the hub of the test's event loop."""
    return get_hub()


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Callable[..., Page]]:
    """Return a factory of pages: ``page(user=…)``. They leave at the end of the test, and none may have failed."""
    made: list[Page] = []

    def make(**options: Any) -> Page:
        made.append(Page(**options))
        return made[-1]

    yield make
    for opened in made:
        await opened.leave()


@pytest_asyncio.fixture
async def closing_connections() -> AsyncIterator[None]:
    """Close the connections that asgiref's thread has opened, since a database with connections can't be dropped."""
    yield
    close: Callable[[], Awaitable[None]] = sync_to_async(connections.close_all)
    await close()

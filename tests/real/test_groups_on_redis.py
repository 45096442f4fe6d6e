"""A layer that forgets who is in its groups, by the clock or with a restart: pages get what is sent all the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.db import connections

from catmaid_notify.auth.sign_in import SignIn
from catmaid_notify.protocol import EVERYONE, topic_group
from catmaid_notify.realtime import layer_adapters
from catmaid_notify.realtime.hub import Hub
from catmaid_notify.realtime.socket import Socket
from catmaid_notify.utils import db_threads, supervision
from tests.support.environment import REDIS, require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_django import Settings
    from redis.asyncio import Redis

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

SECONDS = 20
GROUP_EXPIRY_SECONDS = 2
TOPIC = topic_group("sheet:1")
GROUPS = ("updates-7", TOPIC, EVERYONE)


class Kept:
    """A hub on Redis, and what its only socket was sent."""

    def __init__(self, hub: Hub, layer: Any, redis: Redis) -> None:
        self.hub = hub
        self.layer = layer
        self.redis = redis
        self.reconciled = asyncio.Event()
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.socket = Socket(self._send, sign_in=SignIn(user_pk=7), is_v1=True, on_close=lambda _code: None)

    async def gets(self, group: str) -> None:
        """Send to a group, again and again until something arrives: what is sent while nobody is there is lost."""
        from redis.exceptions import ConnectionError as RedisConnectionError

        async with asyncio.timeout(SECONDS):
            while True:
                name = secrets.token_hex(4)
                message = {"type": "user.message", "group": group, "v1": json.dumps({"event": name})}
                with contextlib.suppress(RedisConnectionError):  # of a connection in the pool
                    await self.layer.group_send(group, message)
                if await self._got(name):
                    return

    async def _got(self, name: str) -> bool:
        try:
            async with asyncio.timeout(0.5):
                while name not in await self.frames.get():
                    pass
        except TimeoutError:
            return False
        return True

    async def _send(self, event: dict[str, Any]) -> None:
        self.frames.put_nowait(event["text"])


@pytest_asyncio.fixture
async def kept(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    """A page that follows a topic; nothing else is in its Redis."""
    require("redis")
    import redis.asyncio

    name = f"test-{secrets.token_hex(6)}"
    options = {"group_expiry": 600, "socket_timeout": None, **getattr(request, "param", {})}
    hosts = [{"address": REDIS, "client_name": name, "socket_timeout": options.pop("socket_timeout")}]
    config = {"hosts": hosts, "prefix": name, **options}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}
    settings.CATMAID_NOTIFY_RECONCILE_SECONDS = 600
    layer = channel_layers["default"]
    hub, client = Hub(), redis.asyncio.Redis.from_url(REDIS)
    made = Kept(hub, layer, client)

    async def round_of(_pks: list[Any]) -> list[Any]:
        made.reconciled.set()
        return []

    hub.reconciler.find_missed = round_of  # type: ignore[assignment, method-assign]
    hub.start()
    await hub.join(made.socket)
    await hub._groups.enter(made.socket, TOPIC)
    for group in GROUPS:
        await made.gets(group)
    yield made
    hub.leave(made.socket)
    await hub.stop()
    await layer.flush()
    await client.aclose()
    await asyncio.get_running_loop().run_in_executor(db_threads._executor, connections.close_all)
    await sync_to_async(connections.close_all)()


@pytest.mark.parametrize("kept", [{"group_expiry": GROUP_EXPIRY_SECONDS}], indirect=True)
async def test_expiry__membership_is_renewed_before(kept: Kept) -> None:
    await asyncio.sleep(2 * GROUP_EXPIRY_SECONDS)  # it is time that is at fault, and nothing says that it has passed
    for group in GROUPS:
        await kept.gets(group)
    async with asyncio.timeout(SECONDS):
        await kept.reconciled.wait()


async def test_restart__all_groups_are_joined_again_and_the_inbox_is_asked(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a restart of a Redis that keeps nothing does to this site, without harm to others."""
    monkeypatch.setattr(supervision, "FIRST_RETRY_SECONDS", 0.1)
    kept.reconciled.clear()
    assert await kept.redis.delete(*[key async for key in kept.redis.scan_iter(f"{kept.layer.prefix}*")])
    mine = [row for row in await kept.redis.client_list() if row["name"] == kept.layer.prefix]
    for row in mine:
        await kept.redis.client_kill_filter(_id=row["id"])
    async with asyncio.timeout(SECONDS):
        await kept.reconciled.wait()
    for group in GROUPS:
        await kept.gets(group)


@pytest.mark.parametrize("kept", [{"socket_timeout": 0.5}], indirect=True)
async def test_idle__driver_that_gives_up_waiting_is_no_failure(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """redis-py 8 does after 5 seconds, channels_redis waits for 5 seconds: else all groups were joined all the time."""
    monkeypatch.setattr(layer_adapters, "EARLY_SECONDS", 0.1)
    asked, receive = asyncio.Semaphore(0), kept.layer.receive

    async def counted(channel: str) -> Any:
        asked.release()
        return await receive(channel)

    monkeypatch.setattr(kept.layer, "receive", counted)
    monkeypatch.setattr(logging.getLogger("catmaid_notify"), "propagate", True)
    async with asyncio.timeout(SECONDS):
        for _ in range(3):
            await asked.acquire()
    for group in GROUPS:
        await kept.gets(group)
    assert "duty=receiving" not in caplog.text
    assert not kept.reconciled.is_set()

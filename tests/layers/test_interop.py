"""Processes with channels_rabbitmq and processes with our layer on one vhost, as during a move without an outage.

These tests run in the environment of requirements-async.txt, since both can be installed only there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers import RabbitmqChannelLayer
from tests.support.rabbitmq import Vhost

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore:valid_(group|channel)_name is deprecated:DeprecationWarning"),  # theirs
    # aiormq 6, which that environment has, now and then leaves a closed connection's stream writer to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SECONDS = 15


@pytest.fixture
async def ours(vhost: Vhost) -> AsyncIterator[Any]:
    layer = RabbitmqChannelLayer(host=vhost.url)
    yield layer
    await layer.close()


@pytest.fixture
async def theirs(vhost: Vhost) -> AsyncIterator[Any]:
    from channels_rabbitmq.core import RabbitmqChannelLayer as TheirLayer

    layer = TheirLayer(host=vhost.url)
    yield layer
    await layer.close()


@pytest.fixture(params=["ours to theirs", "theirs to ours"])
def pair(request: pytest.FixtureRequest, ours: Any, theirs: Any) -> tuple[Any, Any]:
    """(sender, receiver)"""
    return (ours, theirs) if request.param == "ours to theirs" else (theirs, ours)


MESSAGE = {"type": "a.b", "text": "ü", "bytes": b"\x00", "list": [1, {"n": None}]}


@pytest.mark.classic
@pytest.mark.channels_rabbitmq
async def test_group__reaches_the_other_kind(pair: tuple[Any, Any]) -> None:
    sender, receiver = pair
    channel = await receiver.new_channel()
    await receiver.group_add("people", channel)
    await sender.group_send("people", MESSAGE)
    async with asyncio.timeout(SECONDS):
        assert await receiver.receive(channel) == MESSAGE


@pytest.mark.classic
@pytest.mark.channels_rabbitmq
async def test_specific_channel__reaches_the_other_kind(pair: tuple[Any, Any]) -> None:
    sender, receiver = pair
    channel = await receiver.new_channel()
    await receiver.group_add("people", channel)  # theirs is not connected before
    await sender.send(channel, MESSAGE)
    async with asyncio.timeout(SECONDS):
        assert await receiver.receive(channel) == MESSAGE


@pytest.mark.classic
async def test_by_hand__kombu_publishes_into_groups(vhost: Vhost, ours: Any) -> None:
    import msgpack
    from kombu.connection import Connection
    from kombu.entity import Exchange

    channel = await ours.new_channel()
    await ours.group_add("updates-1", channel)

    def publish() -> None:
        with Connection(vhost.url) as connection, connection.Producer() as producer:
            body = msgpack.packb({"__asgi_group__": "updates-1", "type": "user.message", "data": "{}"})
            exchange = Exchange("groups", type="direct", durable=False)
            producer.publish(body, exchange=exchange, routing_key="updates-1", content_encoding="binary", retry=False)

    await asyncio.to_thread(publish)
    async with asyncio.timeout(SECONDS):
        message = await ours.receive(channel)
    assert message == {"type": "user.message", "data": "{}"}
    assert message.group == "updates-1"


@pytest.mark.classic
@pytest.mark.parametrize("key", ["local_capacity", "remote_capacity", "expiry", "local_expiry", "group_expiry"])
async def test_config__their_keys_are_taken(vhost: Vhost, key: str) -> None:
    config: dict[str, Any] = {"host": vhost.url, "groups_exchange": "elsewhere", key: 30}
    layer = RabbitmqChannelLayer(**config)
    try:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)
        await layer.group_send("people", {"type": "a"})
        async with asyncio.timeout(SECONDS):
            assert await layer.receive(channel) == {"type": "a"}
    finally:
        await layer.close()


@pytest.mark.classic
async def test_groups__many_joined_at_once(ours: Any) -> None:
    """aiormq 6 binds the groups one by one, newer versions at once."""
    groups = [f"g{number}" for number in range(50)]
    channel = await ours.new_channel()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*[ours.group_add(group, channel) for group in groups])
        for group in groups:
            await ours.group_send(group, {"type": "a", "group": group})
        assert [(await ours.receive(channel))["group"] for _ in groups] == groups


@pytest.mark.classic
async def test_wrong_vhost__said_once_in_words(vhost: Vhost, caplog: pytest.LogCaptureFixture) -> None:
    """The drivers of the two environments raise different errors."""
    layer = RabbitmqChannelLayer(host=f"{vhost.url}-is-no-such", connect_timeout=3)
    with pytest.raises(BrokerUnavailable, match="the vhost does not exist"):
        await layer.new_channel()
    await layer.close()
    (record,) = [
        record
        for record in caplog.records
        if record.levelname in ("WARNING", "ERROR") and record.name.startswith("catmaid_notify")
    ]
    assert "the vhost does not exist" in record.getMessage()
    assert record.exc_info is None

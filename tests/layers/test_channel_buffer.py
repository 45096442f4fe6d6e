"""Buffered messages: they are kept until they expire, and then their buffers are deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from catmaid_notify.layers import RabbitmqChannelLayer, loop_state
from tests.support.waiting import eventually_here

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.rabbitmq import Vhost

pytestmark = pytest.mark.real
SECONDS = 20


@pytest.fixture
async def layer(vhost: Vhost, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RabbitmqChannelLayer]:
    """A layer with a short sweep interval and an expiry of a second."""
    monkeypatch.setattr(loop_state, "WATCH_SECONDS", 0.05)
    layer = RabbitmqChannelLayer(host=vhost.url, expiry=1)
    yield layer
    await layer.close()


async def send(layer: RabbitmqChannelLayer, *channels: str) -> None:
    """Send to channels without receivers; return when the messages are buffered."""
    for channel in channels:
        await layer.send(channel, {"type": "t"})
    await eventually_here(lambda: set(channels) <= set(layer.loop_layer._buffers))


async def test_message_that_nobody_receives__leaves_nothing_behind(layer: RabbitmqChannelLayer) -> None:
    channel = await layer.new_channel()
    await send(layer, *(f"{channel}.{number}" for number in range(20)))
    await eventually_here(lambda: not layer.loop_layer._buffers)


async def test_member_that_is_gone__its_messages_go_when_they_expire(layer: RabbitmqChannelLayer) -> None:
    """A consumer that was killed leaves its channel in the group."""
    channel = await layer.new_channel()
    await layer.group_add("people", channel)
    for _ in range(20):
        await layer.group_send("people", {"type": "t"})
    await eventually_here(lambda: channel in layer.loop_layer._buffers)
    await eventually_here(lambda: not layer.loop_layer._buffers)
    await layer.group_send("people", {"type": "later"})
    async with asyncio.timeout(SECONDS):
        assert (await layer.receive(channel))["type"] == "later"


async def test_message_that_has_not_expired__is_kept_for_who_comes_late(
    vhost: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_state, "WATCH_SECONDS", 0.01)
    looked = asyncio.Event()
    sweep = loop_state.LoopChannelLayer._sweep

    def look(here: loop_state.LoopChannelLayer) -> None:
        sweep(here)
        if here._buffers:
            looked.set()

    monkeypatch.setattr(loop_state.LoopChannelLayer, "_sweep", look)
    layer = RabbitmqChannelLayer(host=vhost.url)
    try:
        channel = await layer.new_channel()
        await send(layer, channel)
        async with asyncio.timeout(SECONDS):
            await looked.wait()
            assert (await layer.receive(channel))["type"] == "t"
    finally:
        await layer.close()


async def test_receiver_that_waits_longer_than_messages_are_kept(layer: RabbitmqChannelLayer) -> None:
    channel, other = await layer.new_channel(), await layer.new_channel()
    waiting = asyncio.ensure_future(layer.receive(channel))
    await send(layer, other)
    await eventually_here(lambda: other not in layer.loop_layer._buffers)
    await layer.send(channel, {"type": "t"})
    async with asyncio.timeout(SECONDS):
        assert (await waiting)["type"] == "t"


async def test_receiver_whose_message_another_one_has_taken__gets_the_next_one(layer: RabbitmqChannelLayer) -> None:
    """It was woken for the message, but another receiver took it."""
    channel = await layer.new_channel()
    first = asyncio.ensure_future(layer.receive(channel))
    await asyncio.sleep(0)
    layer.loop_layer._deliver(channel, {"type": "a"})
    assert (await layer.receive(channel))["type"] == "a"
    await layer.send(channel, {"type": "b"})
    async with asyncio.timeout(SECONDS):
        assert (await first)["type"] == "b"

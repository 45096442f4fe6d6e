"""`listen`: messages go to a callback as they arrive, instead of being received."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from catmaid_notify.layers import RabbitmqChannelLayer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.rabbitmq import Vhost

pytestmark = [pytest.mark.real]
SECONDS = 20
COUNT = 50


@pytest.fixture
async def layer(vhost: Vhost) -> AsyncIterator[RabbitmqChannelLayer]:
    layer = RabbitmqChannelLayer(host=vhost.url, local_capacity=10)
    yield layer
    await layer.close()


async def test_listen__all_in_order_whatever_the_capacity(layer: RabbitmqChannelLayer) -> None:
    came: list[Any] = []
    last = asyncio.Event()

    def listener(message: dict[str, Any]) -> None:
        came.append((message["n"], getattr(message, "group", None)))
        if message["n"] == COUNT:
            last.set()

    channel = await layer.new_channel()
    layer.listen(channel, listener)
    await layer.group_add("people", channel)
    for number in range(COUNT):
        await layer.group_send("people", {"type": "t", "n": number})
    await layer.send(channel, {"type": "t", "n": COUNT})
    async with asyncio.timeout(SECONDS):
        await last.wait()
    assert came == [*((number, "people") for number in range(COUNT)), (COUNT, "")]


async def test_listen__one_that_fails_loses_only_that_message(
    layer: RabbitmqChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    came: list[Any] = []
    last = asyncio.Event()

    def listener(message: dict[str, Any]) -> None:
        if message["n"] == 0:
            raise ValueError("out of order")
        came.append(message["n"])
        last.set()

    channel = await layer.new_channel()
    other = await layer.new_channel()
    layer.listen(channel, listener)
    for name in (channel, other):
        await layer.group_add("people", name)
    for number in range(2):
        await layer.group_send("people", {"type": "t", "n": number})
    async with asyncio.timeout(SECONDS):
        await last.wait()
        assert [(await layer.receive(other))["n"] for _ in range(2)] == [0, 1]
    assert came == [1]
    assert "Listener failed" in caplog.text
    assert layer.state == "", "the connection has not suffered"


async def test_listen__a_channel_needs_a_name(layer: RabbitmqChannelLayer) -> None:
    with pytest.raises(TypeError):
        layer.listen("no channel name", lambda _: None)

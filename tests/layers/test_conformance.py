"""Channels' specification of channel layers, for all layers in `kinds`.

https://channels.readthedocs.io/en/latest/channel_layer_spec.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from channels.exceptions import ChannelFull

from tests.layers import kinds
from tests.support.environment import require

SECONDS = 15
pytestmark = pytest.mark.real


@pytest.fixture(params=["rabbitmq", "memory", "redis"])
def make_layer(request: pytest.FixtureRequest) -> kinds.MakeLayer:
    """Factory for each kind of layer: ``async with make_layer(capacity=…, expiry=…) as layer``."""
    kind = request.param
    difference = kinds.DIFFERENCES.get((kind, request.node.originalname))
    if difference:
        request.applymarker(pytest.mark.xfail(reason=difference, strict=True))
    if kind == "memory":
        return kinds.memory_layer()
    if kind == "redis":
        require("redis")
        return kinds.redis_layer()
    require("rabbitmq")
    return kinds.rabbitmq_layer(request.getfixturevalue("vhost").url)


async def received(layer: Any, channel: str) -> Any:
    """Return the next message; fail instead of hanging."""
    async with asyncio.timeout(SECONDS):
        return await layer.receive(channel)


async def send_until_full(layer: Any, channel: str) -> None:
    """Send until the channel is full. Messages on their way through a broker do not count yet."""
    for _ in range(100):
        await layer.send(channel, {"type": "more"})


async def nothing_comes(layer: Any, channel: str) -> bool:
    """Return true if a message sent now is the next one to arrive."""
    await layer.send(channel, {"type": "after"})
    return bool((await received(layer, channel))["type"] == "after")


async def test_send__arrives_on_a_specific_channel(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "a.b", "text": "hello"})
        assert await received(layer, channel) == {"type": "a.b", "text": "hello"}


async def test_send__arrives_on_a_normal_channel(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        await layer.send("jobs", {"type": "a", "n": 1})
        await layer.send("jobs", {"type": "a", "n": 2})
        assert [(await received(layer, "jobs"))["n"] for _ in range(2)] == [1, 2]


async def test_send__order_is_kept(make_layer: kinds.MakeLayer) -> None:
    async with make_layer(capacity=1000) as layer:
        channel = await layer.new_channel()
        for number in range(200):
            await layer.send(channel, {"type": "a", "n": number})
        assert [(await received(layer, channel))["n"] for _ in range(200)] == list(range(200))


async def test_send__types_survive(make_layer: kinds.MakeLayer) -> None:
    message = {
        "type": "a",
        "text": "\u00fc \U0001f9e0",
        "bytes": b"\x00\xff",
        "int": -(2**40),
        "float": 0.5,
        "none": None,
        "yes": True,
        "list": [1, [2, {"deep": "er"}]],
        "map": {"a": {"b": []}},
    }
    async with make_layer() as layer:
        channel = await layer.new_channel()
        await layer.send(channel, message)
        assert await received(layer, channel) == message


async def test_send__a_megabyte_arrives(make_layer: kinds.MakeLayer) -> None:
    text = "x" * 1_000_000
    async with make_layer() as layer:
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "a", "text": text})
        assert (await received(layer, channel))["text"] == text


async def test_send__message_is_a_snapshot(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        message = {"type": "a", "list": [1]}
        await layer.send(channel, message)
        message["list"].append(2)  # type: ignore[attr-defined]
        assert (await received(layer, channel))["list"] == [1]
        assert "__asgi_channel__" not in message


async def test_receive__waits_for_what_is_sent_later(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        waiting = asyncio.ensure_future(received(layer, channel))
        await asyncio.sleep(0)
        await layer.send(channel, {"type": "late"})
        assert await waiting == {"type": "late"}


async def test_receive__of_two_receivers_each_message_goes_to_one(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        waiting = [asyncio.ensure_future(received(layer, channel)) for _ in range(2)]
        for number in range(2):
            await layer.send(channel, {"type": "a", "n": number})
        assert sorted([(await one)["n"] for one in waiting]) == [0, 1]


async def test_receive__cancelled_loses_nothing(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        for number in range(20):
            waiting = asyncio.ensure_future(layer.receive(channel))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await layer.send(channel, {"type": "a", "n": number})
            assert (await received(layer, channel))["n"] == number


async def test_receive__channels_do_not_mix(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channels = [await layer.new_channel() for _ in range(10)]
        for number, channel in enumerate(channels):
            await layer.send(channel, {"type": "a", "n": number})
        got = await asyncio.gather(*[received(layer, channel) for channel in reversed(channels)])
        assert [message["n"] for message in got] == list(reversed(range(10)))


async def test_new_channel__names_are_new_and_specific(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        names = {await layer.new_channel() for _ in range(50)}
        assert len(names) == 50
        assert all("!" in name and layer.require_valid_channel_name(name) for name in names)


async def test_groups__all_members_get_it(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channels = [await layer.new_channel() for _ in range(3)]
        for channel in channels:
            await layer.group_add("people", channel)
        await layer.group_send("people", {"type": "a", "n": 1})
        for channel in channels:
            assert await received(layer, channel) == {"type": "a", "n": 1}


async def test_groups__others_do_not(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        member, other = await layer.new_channel(), await layer.new_channel()
        await layer.group_add("people", member)
        await layer.group_add("others", other)
        await layer.group_send("people", {"type": "a"})
        assert await received(layer, member) == {"type": "a"}
        assert await nothing_comes(layer, other)


async def test_groups__discarded_members_do_not(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        stays, leaves = await layer.new_channel(), await layer.new_channel()
        for channel in (stays, leaves):
            await layer.group_add("people", channel)
        await layer.group_discard("people", leaves)
        await layer.group_send("people", {"type": "a"})
        assert await received(layer, stays) == {"type": "a"}
        assert await nothing_comes(layer, leaves)


async def test_groups__back_after_being_discarded(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        for number in range(20):
            await layer.group_add("people", channel)
            await layer.group_send("people", {"type": "a", "n": number})
            assert (await received(layer, channel))["n"] == number
            await layer.group_discard("people", channel)


async def test_groups__added_twice_gets_it_once(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)
        await layer.group_add("people", channel)
        await layer.group_send("people", {"type": "a"})
        assert await received(layer, channel) == {"type": "a"}
        assert await nothing_comes(layer, channel)


async def test_groups__nobody_there_is_no_error(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        await layer.group_send("nobody", {"type": "a"})
        await layer.group_discard("nobody", await layer.new_channel())


async def test_groups__receivers_do_not_share_the_message(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channels = [await layer.new_channel() for _ in range(2)]
        for channel in channels:
            await layer.group_add("people", channel)
        await layer.group_send("people", {"type": "a"})
        first = await received(layer, channels[0])
        first["mine"] = True
        assert await received(layer, channels[1]) == {"type": "a"}


async def test_groups__empty_after_flush(make_layer: kinds.MakeLayer) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)
        await layer.flush()
        await layer.group_send("people", {"type": "a"})
        assert await nothing_comes(layer, channel)


async def test_capacity__send_says_that_the_channel_is_full(make_layer: kinds.MakeLayer) -> None:
    async with make_layer(capacity=3) as layer:
        channel = await layer.new_channel()
        for number in range(3):
            await layer.send(channel, {"type": "a", "n": number})
        with pytest.raises(ChannelFull):
            await send_until_full(layer, channel)
        got = [(await received(layer, channel))["n"] for _ in range(3)]
        assert got == [0, 1, 2]


async def test_capacity__of_a_normal_channel(make_layer: kinds.MakeLayer) -> None:
    async with make_layer(capacity=3) as layer:
        for number in range(3):
            await layer.send("jobs", {"type": "a", "n": number})
        with pytest.raises(ChannelFull):
            await layer.send("jobs", {"type": "a", "n": 3})


async def test_capacity__by_pattern(make_layer: kinds.MakeLayer) -> None:
    async with make_layer(capacity=50, channel_capacity={"jobs.*": 2}) as layer:
        for _ in range(2):
            await layer.send("jobs.slow", {"type": "a"})
        with pytest.raises(ChannelFull):
            await layer.send("jobs.slow", {"type": "a"})
        for _ in range(10):
            await layer.send("other", {"type": "a"})


async def test_capacity__group_send_never_fails(make_layer: kinds.MakeLayer) -> None:
    async with make_layer(capacity=3) as layer:
        full, quick = await layer.new_channel(), await layer.new_channel()
        for channel in (full, quick):
            await layer.group_add("people", channel)
        for number in range(10):
            await layer.group_send("people", {"type": "a", "n": number})
            assert (await received(layer, quick))["n"] == number
        assert [(await received(layer, full))["n"] for _ in range(3)] == [0, 1, 2]


async def test_expiry__old_messages_are_void(make_layer: kinds.MakeLayer) -> None:
    async with make_layer(expiry=1) as layer:
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "old"})
        await asyncio.sleep(2.2)  # time itself is what is tested
        assert await nothing_comes(layer, channel)


@pytest.mark.parametrize("name", ["", "with space", "a" * 100, "ü", 7, None, "a/b"])
async def test_names__that_are_not_valid(make_layer: kinds.MakeLayer, name: Any) -> None:
    async with make_layer() as layer:
        channel = await layer.new_channel()
        calls: list[Callable[[], Any]] = [
            lambda: layer.send(name, {"type": "a"}),
            lambda: layer.group_add(name, channel),
            lambda: layer.group_add("people", name),
            lambda: layer.group_discard(name, channel),
            lambda: layer.group_send(name, {"type": "a"}),
        ]
        for call in calls:
            with pytest.raises(TypeError):
                await call()

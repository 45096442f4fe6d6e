"""The layer during failures of its broker, a RabbitMQ node of the tests' own.

Each known failure of channels_rabbitmq 4, the layer that CATMAID's guide names, has a test here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import aio_pika
import pytest
from channels.exceptions import ChannelFull

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers import RabbitmqChannelLayer, loop_state
from catmaid_notify.layers.amqp import connection, consumer
from tests.support import broker as brokers
from tests.support.broker import Broker
from tests.support.swallow import swallower

SECONDS = 40
pytestmark = pytest.mark.real


@pytest.fixture
def vhost(node: Broker) -> str:
    """A new vhost on the node."""
    return node.vhost()


@pytest.fixture
async def make_layer(node: Broker, vhost: str) -> AsyncIterator[Callable[..., RabbitmqChannelLayer]]:
    """Make layers with short time-outs; they are closed at the end."""
    made: list[RabbitmqChannelLayer] = []

    def make(*, url: str = "", **config: Any) -> RabbitmqChannelLayer:
        # Each layer publishes for itself, as another process would: publishers are shared by equal options.
        config = {"connect_timeout": 10, "publish_timeout": 3, "expiry": 60 + len(made), **config}
        made.append(RabbitmqChannelLayer(host=url or f"{node.url}{vhost}", **config))
        return made[-1]

    yield make
    for layer in made:
        await layer.close()


async def member(layer: RabbitmqChannelLayer, *groups: str) -> str:
    """Return a new channel that has joined groups."""
    channel = await layer.new_channel()
    await asyncio.gather(*[layer.group_add(group, channel) for group in groups])
    return channel


async def received(layer: RabbitmqChannelLayer, channel: str) -> Any:
    async with asyncio.timeout(SECONDS):
        return await layer.receive(channel)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until ``check`` is true."""
    async with asyncio.timeout(SECONDS):
        while not await check():  # noqa: ASYNC110 - the broker tells nobody of its state
            await asyncio.sleep(0.1)


async def flows(layer: RabbitmqChannelLayer, group: str, channel: str) -> bool:
    """Return true if a message to the group arrives."""
    mark = secrets.token_hex(4)
    try:
        await layer.group_send(group, {"type": "a", "mark": mark})
        async with asyncio.timeout(1):
            while (await layer.receive(channel)).get("mark") != mark:
                pass
    except (BrokerUnavailable, TimeoutError):
        return False
    return True


@asynccontextmanager
async def amqp(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A plain AMQP channel that the layer knows nothing of."""
    connection = await aio_pika.connect(url)
    async with connection:
        yield await connection.channel()


async def in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(call, *arguments)


async def test_broker_away__a_cancelled_caller_breaks_nothing(
    node: Broker, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    await in_thread(node.stop)
    try:
        for call in (layer.group_send("people", {"type": "a"}), layer.group_add("others", channel)):
            waiting = asyncio.ensure_future(call)
            await asyncio.sleep(0.1)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    finally:
        await in_thread(node.start)
    await eventually(lambda: flows(layer, "people", channel))
    await layer.group_add("others", channel)
    assert await flows(layer, "others", channel)


async def test_broker_away__calls_fail_in_time_and_say_why(
    node: Broker, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer(connect_timeout=1, publish_timeout=1)
    channel = await member(layer, "people")
    await in_thread(node.stop)
    try:
        async with asyncio.timeout(SECONDS):
            with pytest.raises(BrokerUnavailable, match=r"(?i)connect"):
                await layer.group_send("people", {"type": "a"})
            with pytest.raises(BrokerUnavailable, match="within 1 s"):
                await layer.group_add("others", channel)
    finally:
        await in_thread(node.start)
    await eventually(lambda: flows(layer, "people", channel))
    # The call that failed left no membership behind.
    await layer.group_send("others", {"type": "for others"})
    await layer.group_send("people", {"type": "for people"})
    assert (await received(layer, channel))["type"] == "for people"


async def test_broker_away__what_was_received_before_is_not_lost(
    node: Broker, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer()
    channel, witness = await member(layer, "people"), await member(layer, "people")
    await layer.group_send("people", {"type": "a", "n": 1})
    await received(layer, witness)
    await in_thread(node.stop)
    await in_thread(node.start)
    await eventually(lambda: flows(layer, "people", witness))
    assert (await received(layer, channel))["n"] == 1


async def test_broker_killed__back_by_itself_with_few_tries_and_one_line(
    node: Broker,
    make_layer: Callable[..., RabbitmqChannelLayer],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    caplog.set_level(logging.INFO, "catmaid_notify.layers")
    tries: dict[str, list[float]] = {"receiving": [], "publishing": []}
    connect = connection._connect

    async def counted(node: Any, options: Any, name: str) -> Any:
        if options is layer.options:  # the publishers of other tests are still there
            tries[name].append(time.monotonic())
        return await connect(node, options, name)

    monkeypatch.setattr(connection, "_connect", counted)
    await in_thread(node.kill)
    await eventually(lambda: _are_at_least(tries["receiving"], 4))
    await in_thread(node.start)
    await eventually(lambda: flows(layer, "people", channel))
    for times in tries.values():
        assert all(later - earlier > 0.5 for earlier, later in pairwise(times))  # fewer than two a second
    ours = [record for record in caplog.records if record.name == "catmaid_notify.layers"]
    lost = [record.getMessage() for record in ours if "Broker lost: purpose=receiving" in record.getMessage()]
    assert len(lost) == 1
    assert all(record.exc_info is None for record in ours if record.levelno >= logging.INFO)
    assert "guest:guest" not in caplog.text


async def _are_at_least(times: list[float], count: int) -> bool:
    return len(times) >= count


async def test_broker_away__failed_tries_leave_nothing_to_clean_up(
    make_layer: Callable[..., RabbitmqChannelLayer], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[aio_pika.Connection] = []

    async def connect(self: aio_pika.Connection, **_options: Any) -> None:
        tried.append(self)
        raise ConnectionRefusedError

    monkeypatch.setattr(aio_pika.Connection, "connect", connect)
    layer = make_layer(connect_timeout=0.5)
    with pytest.raises(BrokerUnavailable):
        await layer.new_channel()
    await layer.close()
    assert tried
    # In a thread without an event loop, as it happens by chance; what can't be raised there, pytest raises here.
    await in_thread(tried.clear)
    await in_thread(gc.collect)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"not msgpack at all",
        b"\x81\x01\x02",  # {1: 2}
        b"\x93\x01\x02\x03",  # [1, 2, 3]
        b"\x80",  # {}
        b"\x81\xae__asgi_group__\x01",  # {"__asgi_group__": 1}
        b"\x91" * 100_000,
        b"x" * 2_000_000,
    ],
    ids=range(9),
)
async def test_poison__is_dropped_and_counted(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer], body: bytes
) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    async with amqp(f"{node.url}{vhost}") as plain:
        exchange = await plain.get_exchange("groups")
        await exchange.publish(aio_pika.Message(body), routing_key="people")
    await layer.group_send("people", {"type": "fine"})
    assert await received(layer, channel) == {"type": "fine"}
    assert layer.loop_layer.undecodable == 1


async def test_url__default_vhost_as_kombu_writes_it(
    node: Broker, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer(url=f"{node.url}/")
    channel = await member(layer, "people")
    assert await flows(layer, "people", channel)


async def test_url__a_vhost_that_is_not_there_is_named(
    node: Broker, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer(url=f"{node.url}nowhere", connect_timeout=1)
    with pytest.raises(BrokerUnavailable, match="nowhere"):
        await layer.new_channel()


async def test_url__user_and_password_are_decoded(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    user, password = f"a@{vhost}", "p/:%ü"
    node.ctl("add_user", user, password)
    node.ctl("set_permissions", "-p", vhost, user, ".*", ".*", ".*")
    layer = make_layer(url=f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{node.port}/{vhost}")
    channel = await member(layer, "people")
    assert await flows(layer, "people", channel)


async def test_password__wrong_one_is_said_and_not_shown(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer], caplog: pytest.LogCaptureFixture
) -> None:
    layer = make_layer(url=f"amqp://guest:hunter2secret@127.0.0.1:{node.port}/{vhost}", connect_timeout=2)
    with pytest.raises(BrokerUnavailable, match=r"(?i)refused|authentication") as raised:
        await layer.new_channel()
    assert "hunter2secret" not in str(raised.value) + caplog.text + repr(layer.options)


# More than there can be AMQP channels in a connection (2,047), and as many as a big site may have.
@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.slow)])
async def test_groups__many_come_back_after_a_reconnect(
    node: Broker, make_layer: Callable[..., RabbitmqChannelLayer], count: int
) -> None:
    groups = [f"g{number}" for number in range(count)]
    layer = make_layer(connect_timeout=30)
    channel = await member(layer, *groups)
    await in_thread(node.stop)
    await in_thread(node.start)
    await eventually(lambda: flows(layer, groups[-1], channel))
    wanted = groups[:: count // 50]
    for group in wanted:
        await layer.group_send(group, {"type": "a", "group": group})
    assert [(await received(layer, channel))["group"] for _ in wanted] == wanted


async def test_channels__one_that_nobody_reads_stops_no_other(make_layer: Callable[..., RabbitmqChannelLayer]) -> None:
    layer = make_layer(local_capacity=5)
    unread, read = await member(layer, "people"), await member(layer, "people")
    for number in range(300):
        await layer.group_send("people", {"type": "a", "n": number})
        assert (await received(layer, read))["n"] == number
    assert layer.loop_layer.dropped == 295
    assert (await received(layer, unread))["n"] == 0


@pytest.fixture
def quick_reclaim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "RECLAIM_SECONDS", 0.5)


@pytest.mark.usefixtures("quick_reclaim")
async def test_half_open__comes_back_and_leaves_no_connections(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    async with swallower(node.port) as path:
        layer = make_layer(url=f"amqp://guest:guest@127.0.0.1:{path.port}/{vhost}", heartbeat=2)
        channel = await member(layer, "people")
        path.swallows = True
        await eventually(lambda: _is_down(layer))
        path.swallows = False
        await eventually(lambda: flows(layer, "people", channel))
        await eventually(lambda: _connections(node, vhost, 2))
        # The broker has given the old queue back by now or soon: messages for single channels arrive again, too.
        await eventually(lambda: _reaches(layer, channel))


async def _is_down(layer: RabbitmqChannelLayer) -> bool:
    return bool(layer.state)


async def _connections(node: Broker, vhost: str, count: int) -> bool:
    listed = await in_thread(node.ctl, "--no-table-headers", "list_connections", "vhost")
    return bool(listed.split().count(vhost) == count)


async def _reaches(layer: RabbitmqChannelLayer, channel: str) -> bool:
    try:
        await layer.send(channel, {"type": "single"})
    except ChannelFull:
        return False  # the broker says the same of a queue that is just going away
    try:
        async with asyncio.timeout(0.5):
            return bool((await layer.receive(channel))["type"] == "single")
    except TimeoutError:
        return False


@pytest.mark.usefixtures("quick_reclaim")
async def test_queue_locked__groups_go_on_and_the_name_is_reclaimed(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer()
    connection = await aio_pika.connect(f"{node.url}{vhost}")
    try:
        # What a dead connection that the broker has not noticed yet looks like: somebody else holds the queue.
        holder = await connection.channel()
        await holder.declare_queue(layer.loop_layer.queue_name, exclusive=True)
        channel = await member(layer, "people")
        assert await flows(layer, "people", channel)
    finally:
        await connection.close()
    await eventually(lambda: _reaches(layer, channel))


async def test_heartbeat__a_broker_without_one(
    tmp_path_factory: pytest.TempPathFactory, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    with brokers.broker(tmp_path_factory.mktemp("no-heartbeat"), config="heartbeat = 0") as silent:
        layer = make_layer(url=silent.url)
        channel = await member(layer, "people")
        assert await flows(layer, "people", channel)


async def test_group_send__a_full_queue_elsewhere_is_no_error_and_no_duplicate(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    async with amqp(f"{node.url}{vhost}") as plain:
        arguments: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
        full = await plain.declare_queue("full", exclusive=True, arguments=arguments)
        await full.bind("groups", routing_key="people")
        for number in range(5):
            await layer.group_send("people", {"type": "a", "n": number})
    await layer.group_send("people", {"type": "a", "n": 5})
    assert [(await received(layer, channel))["n"] for _ in range(6)] == list(range(6))


async def test_blocked__callers_get_an_error_in_time_and_receiving_goes_on(
    node: Broker, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer(publish_timeout=1)
    channel = await member(layer, "people")
    await layer.group_send("people", {"type": "before"})
    node.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        async with asyncio.timeout(SECONDS):
            # The first one may still slip through: the broker blocks when it sees a publish.
            with pytest.raises(BrokerUnavailable):
                await _send_forever(layer)
        assert (await received(layer, channel))["type"] == "before"
        for _ in range(100):
            layer.group_send_nowait("people", {"type": "nowait"})
    finally:
        node.ctl("set_vm_memory_high_watermark", "0.4")
    await eventually(lambda: flows(layer, "people", channel))


async def _send_forever(layer: RabbitmqChannelLayer) -> None:
    while True:
        await layer.group_send("people", {"type": "blocked"})


@pytest.fixture
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_state, "WATCH_SECONDS", 0.5)
    monkeypatch.setattr(loop_state, "WATCH_WAIT_SECONDS", 1.0)


@pytest.mark.usefixtures("quick_watch")
async def test_deleted__exchange(node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    async with amqp(f"{node.url}{vhost}") as plain:
        await plain.exchange_delete("groups")
    await eventually(lambda: flows(layer, "people", channel))


@pytest.mark.usefixtures("quick_watch")
async def test_deleted__queue(node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    node.ctl("delete_queue", "-p", vhost, layer.loop_layer.queue_name)
    await eventually(lambda: flows(layer, "people", channel))


@pytest.mark.usefixtures("quick_watch")
async def test_permissions__withdrawn_and_given_back(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer], caplog: pytest.LogCaptureFixture
) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    node.ctl("clear_permissions", "-p", vhost, "guest")
    node.ctl("close_all_connections", "--vhost", vhost, "by the test")
    await eventually(lambda: _is_down(layer))
    with pytest.raises(BrokerUnavailable):
        await layer.group_send("people", {"type": "a"})
    node.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
    await eventually(lambda: flows(layer, "people", channel))
    lost = [record for record in caplog.records if "Broker lost" in record.getMessage()]
    assert len(lost) <= 2  # one for receiving, one for publishing


async def test_connections_closed__by_an_operator(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer()
    channel = await member(layer, "people")
    node.ctl("close_all_connections", "--vhost", vhost, "by the test")
    await eventually(lambda: flows(layer, "people", channel))


async def test_close__leaves_nothing_in_the_broker(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer]
) -> None:
    layer = make_layer()
    await member(layer, "people")
    before = asyncio.all_tasks()
    assert node.ctl("--no-table-headers", "list_queues", "-p", vhost, "name").strip()
    await layer.close()
    await eventually(lambda: _no_queues(node, vhost))
    assert len(asyncio.all_tasks()) < len(before)


async def _no_queues(node: Broker, vhost: str) -> bool:
    listed = await in_thread(node.ctl, "--no-table-headers", "list_queues", "-p", vhost, "name")
    return not listed.strip()


async def test_ipv6_address(
    node: Broker, vhost: str, make_layer: Callable[..., RabbitmqChannelLayer], caplog: pytest.LogCaptureFixture
) -> None:
    async with swallower(node.port, host="::1") as proxy:
        layer = make_layer(url=f"amqp://guest:guest@[::1]:{proxy.port}/{vhost}")
        with caplog.at_level(logging.INFO, "catmaid_notify.layers"):
            assert await flows(layer, "people", await member(layer, "people"))
        assert f"amqp://guest@[::1]:{proxy.port} vhost={vhost!r}" in caplog.text
        assert proxy.connections == 2  # one to receive, one to send
        await layer.close()

"""Layers on a RabbitMQ cluster of three nodes, one of which is killed while messages flow."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers import RabbitmqChannelLayer
from tests.support import broker as brokers
from tests.support.broker import Broker

SECONDS = 60
BACK_SECONDS = 15
"""Longest outage of a layer whose node is killed."""
SEND_SECONDS = 0.01
GROUP = "people"
pytestmark = [pytest.mark.real, pytest.mark.slow]

MakeLayer = Callable[..., RabbitmqChannelLayer]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Broker]]:
    """Three nodes. A test that kills one starts it again."""
    if reason := brokers.missing():
        pytest.skip(reason)
    with brokers.cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
async def make_layer(nodes: list[Broker]) -> AsyncIterator[MakeLayer]:
    """Make a layer with all nodes, in an order that begins with one: ``make_layer(first=0)``."""
    vhost = nodes[-1].vhost()
    made: list[RabbitmqChannelLayer] = []

    def make(*, first: int) -> RabbitmqChannelLayer:
        hosts = [f"{node.url}{vhost}" for node in nodes[first:] + nodes[:first]]
        # Each publishes for itself, as another process would: publishers are shared by equal options.
        made.append(RabbitmqChannelLayer(hosts=hosts, publish_timeout=5 + len(made)))
        return made[-1]

    yield make
    for layer in made:
        await layer.close()


class Sender:
    """Sends numbers to the group at a steady rate."""

    def __init__(self, layer: RabbitmqChannelLayer) -> None:
        self._layer = layer
        self._news = asyncio.Event()
        self.number = -1
        """Last number whose sending has begun."""
        self.sent: list[int] = []
        """Numbers whose ``group_send`` returned without an error."""
        self.failed: list[int] = []

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self.number += 1
            try:
                await self._layer.group_send(GROUP, {"type": "a", "sender": id(self), "n": self.number})
            except BrokerUnavailable:
                self.failed.append(self.number)
            else:
                self.sent.append(self.number)
                self._news.set()
            await asyncio.sleep(SEND_SECONDS)  # the rate

    async def sends(self, count: int) -> int:
        """Wait until ``count`` more numbers are sent without an error; return the last one."""
        wanted = len(self.sent) + count
        async with asyncio.timeout(SECONDS):
            while len(self.sent) < wanted:
                self._news.clear()
                await self._news.wait()
        return self.sent[-1]


class Reader:
    """Receives the messages of the group."""

    def __init__(self, layer: RabbitmqChannelLayer) -> None:
        self._layer = layer
        self._news = asyncio.Event()
        self._got: defaultdict[int, list[int]] = defaultdict(list)

    async def run(self, joined: asyncio.Event) -> None:
        """Receive until cancelled."""
        channel = await self._layer.new_channel()
        await self._layer.group_add(GROUP, channel)
        joined.set()
        while True:
            message = await self._layer.receive(channel)
            self._got[message["sender"]].append(message["n"])
            self._news.set()

    def got(self, sender: Sender) -> list[int]:
        """Return the numbers of a sender in order of arrival."""
        return self._got[id(sender)]

    async def reaches(self, sender: Sender, number: int) -> None:
        """Wait until a number, or a later one, has arrived."""
        async with asyncio.timeout(SECONDS):
            while number > max(self.got(sender), default=-1):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(readers: list[Reader], senders: list[Sender]) -> AsyncIterator[None]:
    """Run readers, then senders; raise their errors at the end."""
    joined = [asyncio.Event() for _ in readers]
    tasks = [asyncio.ensure_future(reader.run(event)) for reader, event in zip(readers, joined, strict=True)]
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*[event.wait() for event in joined])
        tasks += [asyncio.ensure_future(sender.run()) for sender in senders]
        for sender in senders:
            await sender.sends(50)
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if result is not None and not isinstance(result, asyncio.CancelledError):
                raise result


@asynccontextmanager
async def killed(node: Broker) -> AsyncIterator[None]:
    """Kill a node; start it again at the end, unless the test has."""
    await asyncio.to_thread(node.kill)
    try:
        yield
    finally:
        if not node.runs:
            await asyncio.to_thread(node.start)


def lost(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines about lost connections."""
    return [record.getMessage() for record in caplog.records if "Broker lost" in record.getMessage()]


async def test_node_killed__who_was_on_it_is_on_another_in_time(
    nodes: list[Broker], make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    moving_reader, reader = Reader(make_layer(first=0)), Reader(make_layer(first=1))
    moving_sender, sender = Sender(make_layer(first=0)), Sender(make_layer(first=1))
    async with running([moving_reader, reader], [moving_sender, sender]):
        began = time.monotonic()
        async with killed(nodes[0]):
            await asyncio.gather(
                moving_reader.reaches(sender, sender.number + 1),
                reader.reaches(moving_sender, moving_sender.number + 1),
            )
            assert time.monotonic() - began < BACK_SECONDS
            # From then on nothing is missing again.
            numbers = [await moving_sender.sends(200), await sender.sends(200)]
            for by, number in zip((moving_sender, sender), numbers, strict=True):
                await moving_reader.reaches(by, number)
                wanted = [n for n in by.sent if number - 200 < n <= number]
                assert [n for n in moving_reader.got(by) if number - 200 < n <= number] == wanted
    for purpose in ("receiving", "publishing"):
        lines = [line for line in lost(caplog) if f"purpose={purpose}" in line]
        assert lines
        assert all(f":{nodes[0].port} " in line for line in lines)


async def test_node_killed__elsewhere_nothing_is_lost(
    nodes: list[Broker], make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    killed_reader, readers = Reader(make_layer(first=0)), [Reader(make_layer(first=first)) for first in (1, 2)]
    sender = Sender(make_layer(first=1))
    async with running([killed_reader, *readers], [sender]):
        async with killed(nodes[0]):
            await killed_reader.reaches(sender, sender.number + 1)
            last = await sender.sends(200)
        for reader in readers:
            await reader.reaches(sender, last)
            assert reader.got(sender)[: last + 1] == list(range(last + 1))
    assert sender.failed == []
    assert all(f":{nodes[0].port} " in line for line in lost(caplog))


async def test_node_back__disturbs_nobody(
    nodes: list[Broker], make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    readers = [Reader(make_layer(first=first)) for first in range(3)]
    sender = Sender(make_layer(first=2))
    async with running(readers, [sender]):
        async with killed(nodes[0]):
            await asyncio.gather(*[reader.reaches(sender, sender.number + 1) for reader in readers])
            first = await sender.sends(1)
            caplog.clear()
            await asyncio.to_thread(nodes[0].start)
            last = await sender.sends(300)
        for reader in readers:
            await reader.reaches(sender, last)
            assert [n for n in reader.got(sender) if first <= n <= last] == list(range(first, last + 1))
        # New ones find their place on it.
        newcomer = Reader(make_layer(first=0))
        async with running([newcomer], []):
            await newcomer.reaches(sender, sender.number + 1)
    assert sender.failed == []
    assert lost(caplog) == []

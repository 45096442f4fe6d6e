"""The broker of a `make test-brokers` run: its version, and the features that it refuses."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import aio_pika
import pytest

from catmaid_notify.layers import RabbitmqChannelLayer
from tests.support import broker as brokers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import Broker
    from tests.support.rabbitmq import Vhost

SECONDS = 20
VERSION = os.environ.get("TEST_BROKER_VERSION", "")
REFUSES = "deprecated_features.permit.transient_nonexcl_queues = false" in brokers.CONFIG
pytestmark = [pytest.mark.real, pytest.mark.slow]


async def test_version__is_the_one_of_this_run(node: Broker, vhost: Vhost) -> None:
    for url in (node.url, vhost.url):
        connection: Any = await aio_pika.connect(url)
        async with connection:
            assert connection.transport.connection.server_properties["version"].startswith(VERSION)


async def test_refused__a_queue_that_is_neither_durable_nor_exclusive(node: Broker) -> None:
    refused = False
    connection = await aio_pika.connect(f"{node.url}{node.vhost()}")
    async with connection:
        channel = await connection.channel()
        try:
            await channel.declare_queue("shared", durable=False, exclusive=False)
        except aio_pika.exceptions.AMQPError:
            refused = True
    assert refused == REFUSES


async def test_deprecated__nothing_that_the_layer_uses(tmp_path: Path) -> None:
    """RabbitMQ logs each use of a deprecated feature. For a global prefetch count that is the only sign."""
    with brokers.broker(tmp_path) as own:
        layer = RabbitmqChannelLayer(host=own.url)
        async with asyncio.timeout(SECONDS):
            channel = await layer.new_channel()
            await layer.group_add("people", channel)
            await layer.group_send("people", {"type": "group"})
            assert (await layer.receive(channel))["type"] == "group"
            await layer.send(channel, {"type": "specific"})
            assert (await layer.receive(channel))["type"] == "specific"
            await layer.send("jobs", {"type": "normal"})
            assert (await layer.receive("jobs"))["type"] == "normal"
        await layer.close()
        own.stop()  # it writes its log to the end
    logs = list((tmp_path / "log").glob("*.log"))
    assert logs
    said = "\n".join(log.read_text() for log in logs)
    assert "started TCP listener" in said
    assert "Deprecated features" not in said

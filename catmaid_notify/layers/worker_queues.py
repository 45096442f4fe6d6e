"""Normal channels (without ``!``): one broker queue each, for any number of senders and competing workers.

Channels' ``manage.py runworker`` receives from them. The queues are durable, since newer brokers refuse transient
queues that several connections share. The broker deletes a queue after a day without use.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any, Final

from aio_pika.abc import AbstractConnection
from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage

from catmaid_notify.layers import codec
from catmaid_notify.layers.amqp.connection import AMQP_ERRORS, Connection
from catmaid_notify.layers.options import LayerOptions

PREFETCH: Final = 10
"""Messages that the broker sends to one process ahead of its ``receive`` calls; few, so that all workers get some."""
LINGER_SECONDS: Final = 1.0
"""Time from the end of the last ``receive`` to the end of consuming: a worker usually receives again at once."""
UNUSED_SECONDS: Final = 24 * 3600
"""Time after which the broker deletes an unused queue."""


def queue_of(channel: str) -> str:
    """Return the name of the queue of a normal channel."""
    return f"channel.{channel}"


def queue_arguments(options: LayerOptions, capacity: int) -> dict[str, Any]:
    """Return the declaration arguments of a normal channel's queue.

    Senders and receivers both declare the queue, and the broker refuses a declaration with other arguments.
    """
    return {
        "x-expires": UNUSED_SECONDS * 1000,
        "x-max-length": capacity,
        "x-overflow": "reject-publish",
        "x-message-ttl": int(options.expiry * 1000),
    }


class _Consumer:
    """Consumer state of one normal channel: prefetched messages and waiting ``receive`` calls."""

    def __init__(self) -> None:
        self.prefetched: deque[tuple[int, dict[str, Any]]] = deque()
        """Delivery tag and message."""
        self.waiters: deque[asyncio.Future[None]] = deque()
        self.receivers = 0
        self.tag: str | None = None
        """Consumer tag; ``"pending"`` while ``basic.consume`` is under way, ``None``: not consuming."""
        self.release_timer: asyncio.TimerHandle | None = None

    def wake_one(self) -> None:
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class WorkerQueueReceiver:
    """Receives from normal channels on one event loop, over a separate connection. The first `receive` opens it.

    A message is acknowledged just before `receive` returns it. Unacknowledged messages go back to the broker when the
    connection ends, so a worker that dies loses at most the messages that it has in hand.
    """

    def __init__(self, options: LayerOptions, *, capacity_of: Any) -> None:
        self._options = options
        self._codec = options.codec
        self._capacity_of = capacity_of
        self._consumers: dict[str, _Consumer] = {}
        self._channel: AbstractChannel | None = None
        self._connection = Connection(options, name="working", set_up=self._set_up)
        self._task: asyncio.Task[None] | None = None
        self._release_tasks: set[asyncio.Task[None]] = set()

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for a message on a normal channel. Of all receivers, in any process, one gets it."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._connection.run())
        consumer = self._consumers.setdefault(channel, _Consumer())
        consumer.receivers += 1
        if consumer.release_timer is not None:
            consumer.release_timer.cancel()
            consumer.release_timer = None
        try:
            if consumer.tag is None and self._channel is not None and self._connection.is_up.is_set():
                await self._consume(self._channel, channel, consumer)
            return await self._next_message(consumer)
        finally:
            consumer.receivers -= 1
            if not consumer.receivers:
                loop = asyncio.get_running_loop()
                consumer.release_timer = loop.call_later(LINGER_SECONDS, self._release_soon, channel, consumer)

    async def close(self) -> None:
        """Close the connection; prefetched messages go back to the broker."""
        for consumer in self._consumers.values():
            if consumer.release_timer is not None:
                consumer.release_timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._release_tasks, return_exceptions=True)
            self._task = None

    async def _next_message(self, consumer: _Consumer) -> dict[str, Any]:
        while True:
            while consumer.prefetched and self._channel is not None:
                tag, message = consumer.prefetched.popleft()
                try:
                    await self._channel.basic_ack(tag)
                except AMQP_ERRORS:
                    break  # the connection is lost, so the broker delivers the message again, maybe to another worker
                return message
            waiter = asyncio.get_running_loop().create_future()
            consumer.waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # Woken and cancelled in the same turn of the loop: the message goes to the next waiter.
                if waiter.done() and not waiter.cancelled():
                    consumer.wake_one()
                raise
            finally:
                if waiter in consumer.waiters:
                    consumer.waiters.remove(waiter)

    async def _set_up(self, connection: AbstractConnection) -> Awaitable[Any]:
        channel = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
        await channel.basic_qos(prefetch_count=PREFETCH)
        self._channel = channel
        for name, consumer in self._consumers.items():
            # Messages of the lost connection: the broker has requeued them, and their tags mean nothing on this one.
            consumer.prefetched.clear()
            consumer.tag = None
            if consumer.receivers:
                await self._consume(channel, name, consumer)
        broken: Awaitable[Any] = asyncio.ensure_future(channel.closing)
        return broken

    async def _consume(self, channel: AbstractChannel, name: str, consumer: _Consumer) -> None:
        consumer.tag = "pending"
        arguments = queue_arguments(self._options, self._capacity_of(name))
        await channel.queue_declare(queue_of(name), durable=True, arguments=arguments)

        async def on_delivery(delivered: DeliveredMessage) -> None:
            tag = delivered.delivery.delivery_tag if isinstance(delivered.delivery, spec.Basic.Deliver) else None
            if tag is None:
                return
            try:
                _, _, message = self._codec.unpack(delivered.body)
            except codec.Undecodable:
                await channel.basic_ack(tag)  # the broker would deliver it again and again
                return
            consumer.prefetched.append((tag, message))
            consumer.wake_one()

        consumed = await channel.basic_consume(queue_of(name), on_delivery, no_ack=False)
        consumer.tag = consumed.consumer_tag

    def _release_soon(self, name: str, consumer: _Consumer) -> None:
        task = asyncio.get_running_loop().create_task(self._release(name, consumer))
        self._release_tasks.add(task)
        task.add_done_callback(self._release_tasks.discard)

    async def _release(self, name: str, consumer: _Consumer) -> None:
        """Stop consuming and return the prefetched messages to the broker."""
        # A `receive` may have started between the timer and this task.
        if consumer.receivers or self._consumers.get(name) is not consumer:
            return
        del self._consumers[name]
        if self._channel is None or consumer.tag is None:
            return
        try:
            await self._channel.basic_cancel(consumer.tag)
            for tag, _ in consumer.prefetched:
                await self._channel.basic_nack(tag, requeue=True)
        except AMQP_ERRORS:
            pass  # the connection is lost, so the broker has requeued all messages

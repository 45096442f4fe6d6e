"""Consuming connection of one event loop: an exclusive queue, and a binding for each group.

The broker deletes an exclusive queue with its connection, so a dead process leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import aiormq
from aio_pika.abc import AbstractConnection
from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers.amqp import frames
from catmaid_notify.layers.amqp.connection import Connection, InterceptedConnection
from catmaid_notify.layers.options import LayerOptions

logger = logging.getLogger("catmaid_notify.layers")

RECLAIM_SECONDS: Final = 5.0
"""Interval between attempts to declare a queue that a dead connection still locks."""
QUEUE_CHECK_SECONDS: Final = 10.0
"""Interval of the check that the broker still has the queue."""
QUEUE_CHECK_TIMEOUT_SECONDS: Final = 10.0
"""Deadline for the broker's answer to that check."""
BIND_BATCH: Final = 1000
"""Bindings per write."""
UNBIND_BATCH: Final = 50
"""Bindings removed in a row before new ones have their turn: each removal is a round trip, and `bind` is awaited."""


class Receiver:
    """Consumes from one queue and keeps its bindings across reconnects. All methods belong to one event loop."""

    def __init__(
        self,
        options: LayerOptions,
        *,
        queue_name: str,
        on_body: Callable[[bytes], None],
        watch: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare; `start` connects.

        Args:
            options: brokers, names and time-outs.
            queue_name: name of the queue. While a dead connection locks it, another name is used.
            on_body: called with the body of each message; must not raise.
            watch: runs while connected, and raises when messages don't arrive. The connection is then made anew.
        """
        self._options = options
        self._queue_name = queue_name
        self._queue = queue_name
        """Queue that the bindings lead to; differs from ``_queue_name`` while that is locked."""
        self._on_body = on_body
        self._watch = watch
        self._wanted: dict[str, None] = {}
        """Groups that should be bound, in order."""
        self._bound: set[str] = set()
        """Groups that are bound on this connection."""
        self._changed: dict[str, None] = {}
        """Groups whose binding may differ from what is wanted, in order."""
        self._change = asyncio.Event()
        self._bind_waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._connection = Connection(options, name="receiving", set_up=self._set_up)
        self._task: asyncio.Task[None] | None = None
        self._is_ready = False

    def start(self) -> None:
        """Connect in the background. Further calls do nothing."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._connection.run())

    async def connected(self) -> None:
        """Start, and wait until the queue is declared.

        Raises:
            BrokerUnavailable: no connection within ``connect_timeout`` seconds.
        """
        self.start()
        seconds = self._options.connect_timeout
        try:
            async with asyncio.timeout(seconds):
                await self._connection.is_up.wait()
        except TimeoutError:
            raise BrokerUnavailable(f"No connection to the broker within {seconds:g} s: {self.state}") from None

    async def close(self) -> None:
        """Close the connection; the broker deletes the queue."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def state(self) -> str:
        """Empty while connected with all bindings, else the reason of the outage."""
        if self._is_ready:
            return ""
        return self._connection.last_error or "not connected yet"

    def on_connected(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` each time a new connection has all bindings."""
        self._listeners.append(listener)

    # Bindings

    async def bind(self, group: str) -> None:
        """Bind the queue for a group; returns when the broker has the binding.

        Raises:
            BrokerUnavailable: no answer within ``connect_timeout`` seconds. The binding is still wanted, and is made
                later; call `unbind` to prevent that.
        """
        self._wanted[group] = None
        if group in self._bound and group not in self._changed:
            return
        bound = asyncio.get_running_loop().create_future()
        self._bind_waiters.setdefault(group, []).append(bound)
        self._mark_changed(group)
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                await bound
        except TimeoutError:
            seconds = self._options.connect_timeout
            why = self.state or "the broker does not answer"
            raise BrokerUnavailable(f"Group {group!r} could not be joined within {seconds:g} s: {why}") from None
        finally:
            waiting = self._bind_waiters.get(group)
            if waiting is not None and bound in waiting:
                waiting.remove(bound)
                if not waiting:
                    del self._bind_waiters[group]

    def unbind(self, group: str) -> None:
        """Remove the binding of a group, in the background."""
        if group in self._wanted:
            del self._wanted[group]
            self._mark_changed(group)

    def _mark_changed(self, group: str) -> None:
        self._changed[group] = None
        self._change.set()

    async def _sync_bindings(self, channel: AbstractChannel) -> None:
        """Make all wanted bindings on a new connection, then apply changes as they come."""
        self._bound.clear()
        self._changed = dict.fromkeys(self._wanted)
        await self._bind_all(channel, list(self._wanted))
        self._is_ready = True
        for listener in self._listeners:
            listener()
        while True:
            if not self._changed:
                self._change.clear()
                await self._change.wait()
            added = [group for group in self._changed if group in self._wanted]
            await self._bind_all(channel, added)
            removed = [group for group in self._changed if group not in self._wanted][:UNBIND_BATCH]
            for group in removed:
                await self._unbind(channel, group)

    async def _bind_all(self, channel: AbstractChannel, groups: Iterable[str]) -> None:
        """Bind many groups in about one round trip."""
        missing = [group for group in groups if group not in self._bound]
        exchange = self._options.groups_exchange
        for start in range(0, len(missing), BIND_BATCH):
            batch = missing[start : start + BIND_BATCH]
            # Only the last binding asks for an answer. The broker handles them in order, so it stands for all.
            await frames.send(
                channel,
                [
                    spec.Queue.Bind(queue=self._queue, exchange=exchange, routing_key=group, nowait=True)
                    for group in batch[:-1]
                ],
            )
            await channel.queue_bind(self._queue, exchange, routing_key=batch[-1])
        self._bound.update(missing)
        for group in groups:
            # A group that was unbound during the round trip stays marked, and is removed next.
            if group in self._wanted:
                self._changed.pop(group, None)
            for waiter in self._bind_waiters.pop(group, ()):
                if not waiter.done():
                    waiter.set_result(None)

    async def _unbind(self, channel: AbstractChannel, group: str) -> None:
        if group in self._wanted:
            return  # bound again while other groups were removed
        self._changed.pop(group, None)
        if group in self._bound:
            self._bound.discard(group)
            await channel.queue_unbind(self._queue, self._options.groups_exchange, routing_key=group)

    # The queue

    async def _set_up(self, connection: InterceptedConnection) -> Awaitable[Any]:
        self._is_ready = False
        channel = await open_channel(connection)
        await channel.exchange_declare(self._options.groups_exchange, exchange_type="direct")
        self._queue = self._queue_name
        try:
            await self._declare(channel, self._queue_name)
        except aiormq.exceptions.ChannelLockedResource:
            # A dead connection, which the broker still takes for alive, locks the queue. Groups continue at once with
            # another queue. Messages to single channels need this name, and wait until `_reclaim` has it back.
            channel = await open_channel(connection)
            self._queue = f"{self._queue_name}.{id(connection):x}"
            await self._declare(channel, self._queue)
        await self._consume(connection, channel, self._queue)
        return self._until_broken(connection, channel)

    async def _declare(self, channel: AbstractChannel, name: str) -> None:
        await channel.queue_declare(
            name,
            exclusive=True,
            arguments={
                "x-max-length": self._options.remote_capacity,
                "x-overflow": "reject-publish",
                "x-message-ttl": int(self._options.expiry * 1000),
            },
        )

    async def _until_broken(self, connection: InterceptedConnection, channel: AbstractChannel) -> None:
        """Run all checks and the bindings of one connection until one of them fails.

        Raises:
            Exception: always; the reason. `Connection` then connects again.
        """
        watches = (self._sync_bindings(channel), self._watch(), self._check_queue(channel))
        tasks = [asyncio.ensure_future(watch) for watch in watches]
        if self._queue != self._queue_name:
            tasks.append(asyncio.ensure_future(self._reclaim(connection)))
        closing = asyncio.ensure_future(channel.closing)
        try:
            done, _ = await asyncio.wait({*tasks, closing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()
            raise ConnectionError("the broker closed the channel")
        finally:
            self._is_ready = False
            for task in tasks:
                task.cancel()

    async def _check_queue(self, channel: AbstractChannel) -> None:
        """Check periodically that the broker has the queue; raise when it has not, or does not answer in time.

        This finds a link that swallows everything within `QUEUE_CHECK_SECONDS` + `QUEUE_CHECK_TIMEOUT_SECONDS`.
        Heartbeats take longer, and the operator of the broker may have switched them off.
        """
        while True:
            await asyncio.sleep(QUEUE_CHECK_SECONDS)
            async with asyncio.timeout(QUEUE_CHECK_TIMEOUT_SECONDS):
                await channel.queue_declare(self._queue, passive=True)

    async def _reclaim(self, connection: InterceptedConnection) -> None:
        """Declare the locked queue until the broker lets go of it, then consume from it.

        Its name is part of this loop's channel names, so messages to single channels arrive through this queue only.
        """
        while True:
            await asyncio.sleep(RECLAIM_SECONDS)
            try:
                channel = await open_channel(connection)
                await self._declare(channel, self._queue_name)
            except aiormq.exceptions.ChannelLockedResource:
                continue
            await self._consume(connection, channel, self._queue_name)
            logger.info("Queue reclaimed: queue=%s", self._queue_name)
            await asyncio.Event().wait()  # the end of this task would end the connection

    async def _consume(self, connection: InterceptedConnection, channel: AbstractChannel, queue: str) -> None:
        """Consume from a queue without acknowledgements."""
        connection.interceptor.set_handler(channel.number, frames.DeliveryAssembler(self._on_body))
        await channel.basic_consume(queue, _ignore_delivery, no_ack=True)


async def _ignore_delivery(delivered: DeliveredMessage) -> None:
    """Do nothing. aiormq requires a consumer callback, but `frames.DeliveryAssembler` takes all deliveries."""


async def open_channel(connection: AbstractConnection) -> AbstractChannel:
    """Open and return an AMQP channel for consuming."""
    return await (await connection.channel(publisher_confirms=False)).get_underlay_channel()

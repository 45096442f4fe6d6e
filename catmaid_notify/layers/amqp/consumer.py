"""The consuming connection of one event loop: the queue of its own, and the bindings that feed it.

The queue is exclusive, so it goes with its connection: a dead process leaves nothing in the broker.
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
"""How often a queue that a dead connection still holds is asked for again."""
QUEUE_CHECK_SECONDS: Final = 10.0
"""How often the broker is asked whether it still has our queue."""
QUEUE_CHECK_TIMEOUT_SECONDS: Final = 10.0
"""How long it may take to answer."""
BIND_BATCH: Final = 1000
"""Bindings asked for by one write."""
UNBIND_BATCH: Final = 50
"""Bindings that are taken away before it is looked whether somebody waits for a new one."""


class Receiver:
    """Keeps the broker's bindings as they are wanted, over any number of connections."""

    def __init__(
        self,
        options: LayerOptions,
        *,
        queue_name: str,
        on_body: Callable[[bytes], None],
        watch: Callable[[], Awaitable[None]],
    ) -> None:
        """``on_body`` takes each message; ``watch`` runs while connected and raises when messages don't arrive."""
        self._options = options
        self._queue_name = queue_name
        self._queue = queue_name
        self._on_body = on_body
        self._watch = watch
        self._wanted: dict[str, None] = {}
        self._bound: set[str] = set()
        self._changed: dict[str, None] = {}
        self._change = asyncio.Event()
        self._bind_waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._connection = Connection(options, name="receiving", set_up=self._set_up)
        self._task: asyncio.Task[None] | None = None
        self._is_ready = False

    def start(self) -> None:
        """Connect in the background, if that doesn't happen yet."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._connection.run())

    async def connected(self) -> None:
        """Start, and return when the queue is there.

        Raises:
            BrokerUnavailable: not within the time-out.
        """
        self.start()
        seconds = self._options.connect_timeout
        try:
            async with asyncio.timeout(seconds):
                await self._connection.is_up.wait()
        except TimeoutError:
            raise BrokerUnavailable(f"No connection to the broker within {seconds:g} s: {self.state}") from None

    async def close(self) -> None:
        """Close the connection; the queue goes with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def state(self) -> str:
        """Empty while connected with all bindings, else the reason why not."""
        if self._is_ready:
            return ""
        return self._connection.last_error or "not connected yet"

    def on_connected(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a new connection has all bindings again."""
        self._listeners.append(listener)

    # Bindings

    async def bind(self, group: str) -> None:
        """Let messages for ``group`` come here; returns when the broker has the binding.

        Raises:
            BrokerUnavailable: not within the time-out. The binding is still wanted then.
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
        """Want no messages for ``group`` any more; the broker is told in the background."""
        if group in self._wanted:
            del self._wanted[group]
            self._mark_changed(group)

    def _mark_changed(self, group: str) -> None:
        self._changed[group] = None
        self._change.set()

    async def _sync_bindings(self, channel: AbstractChannel) -> None:
        """Bring all bindings to a new connection, then make them follow what is wanted."""
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
            # No answer is asked for these; the answer to the last one says that all were done.
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
            if group in self._wanted:
                self._changed.pop(group, None)
            for waiter in self._bind_waiters.pop(group, ()):
                if not waiter.done():
                    waiter.set_result(None)

    async def _unbind(self, channel: AbstractChannel, group: str) -> None:
        if group in self._wanted:
            return  # wanted again meanwhile
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
            # A connection that is half open still holds it. Groups go on at once through another queue; messages for
            # single channels follow when the broker has noticed that the old connection is dead.
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
        """Keep everything right; raise when something on the connection is broken, whoever did it."""
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
        """Ask the broker for our queue now and then; raise when it is gone, or when no answer comes.

        This finds a link that swallows everything within `QUEUE_CHECK_SECONDS` + `QUEUE_CHECK_TIMEOUT_SECONDS`.
        Heartbeats take longer, and the operator of the broker may have switched them off.
        """
        while True:
            await asyncio.sleep(QUEUE_CHECK_SECONDS)
            async with asyncio.timeout(QUEUE_CHECK_TIMEOUT_SECONDS):
                await channel.queue_declare(self._queue, passive=True)

    async def _reclaim(self, connection: InterceptedConnection) -> None:
        """Get the queue back whose name is part of our channels' names."""
        while True:
            await asyncio.sleep(RECLAIM_SECONDS)
            try:
                channel = await open_channel(connection)
                await self._declare(channel, self._queue_name)
            except aiormq.exceptions.ChannelLockedResource:
                continue
            await self._consume(connection, channel, self._queue_name)
            logger.info("Queue is ours again: queue=%s", self._queue_name)
            await asyncio.Event().wait()

    async def _consume(self, connection: InterceptedConnection, channel: AbstractChannel, queue: str) -> None:
        """Take what comes for ``queue``, without acknowledgements."""
        connection.interceptor.set_handler(channel.number, frames.DeliveryAssembler(self._on_body))
        await channel.basic_consume(queue, _ignore_delivery, no_ack=True)


async def _ignore_delivery(delivered: DeliveredMessage) -> None:
    """Stand where aiormq wants a consumer."""


async def open_channel(connection: AbstractConnection) -> AbstractChannel:
    """Return a new AMQP channel for consuming."""
    return await (await connection.channel(publisher_confirms=False)).get_underlay_channel()

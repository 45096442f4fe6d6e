"""The receiving side of the layer on one event loop: channels, groups, and the queue that feeds them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import string
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers import wire
from catmaid_notify.layers.connection import Connection
from catmaid_notify.layers.options import LayerOptions

logger = logging.getLogger("catmaid_notify.layers")

SAY_SECONDS: Final = 60.0
"""How often a kind of loss is logged at most."""
LETTERS: Final = string.ascii_letters


def random_name(length: int = 12) -> str:
    """Return letters that no one can guess or hit by chance."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


class Mailbox:
    """The messages of one channel that nobody has received yet: bounded, each with a time after which it is void."""

    __slots__ = ("_capacity", "_expiry", "_messages", "_waiters")

    def __init__(self, capacity: int, expiry: float) -> None:
        self._capacity = capacity
        self._expiry = expiry
        self._messages: deque[tuple[float, dict[str, Any]]] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def is_unused(self) -> bool:
        """Whether nobody waits here and nothing lies here."""
        return not self._messages and not self._waiters

    def put(self, message: dict[str, Any]) -> bool:
        """Add a message; return whether there was room."""
        if len(self._messages) >= self._capacity:
            self._drop_expired()
            if len(self._messages) >= self._capacity:
                return False
        self._messages.append((time.monotonic(), message))
        self._wake_one()
        return True

    async def get(self) -> dict[str, Any]:
        """Wait for a message and take it."""
        while True:
            self._drop_expired()
            if self._messages:
                return self._messages.popleft()[1]
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # Woken and cancelled at the same time: the message is for the next one.
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()
                raise
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _drop_expired(self) -> None:
        oldest = time.monotonic() - self._expiry
        while self._messages and self._messages[0][0] < oldest:
            self._messages.popleft()


class LoopLayer:
    """Channels and groups of one event loop, over one consuming connection.

    The queue is exclusive: it goes with its connection, so a dead process leaves nothing in the broker.
    """

    def __init__(self, options: LayerOptions, *, queue_name: str) -> None:
        self._options = options
        self.queue_name = queue_name
        self._mailboxes: dict[str, Mailbox] = {}
        self._groups: dict[str, set[str]] = {}
        self._bound: set[str] = set()
        self._changed: dict[str, None] = {}
        self._change = asyncio.Event()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._channel: AbstractChannel | None = None
        self._listeners: list[Callable[[], None]] = []
        self._connection = Connection(options, name="receiving", set_up=self._set_up)
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Messages that found no room."""
        self.undecodable = 0
        """Messages that were none."""
        self._said: dict[str, float] = {}

    # The layer's interface

    def start(self) -> None:
        """Connect in the background, if that doesn't happen yet."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._connection.run())

    def new_channel(self) -> str:
        """Return a new channel name of this process."""
        self.start()
        return f"{self.queue_name}!{random_name()}"

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for a message on a channel of this process."""
        self.start()
        mailbox = self._mailbox(channel)
        try:
            return await mailbox.get()
        finally:
            if mailbox.is_unused:
                self._mailboxes.pop(channel, None)

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel; returns once the broker sends us what goes to the group.

        Raises:
            BrokerUnavailable: not within the time-out; the channel is not in the group then.
        """
        self.start()
        self._groups.setdefault(group, set()).add(channel)
        if group in self._bound:
            return
        bound = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, []).append(bound)
        self._mark(group)
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                await bound
        except TimeoutError:
            self._forget(group, channel)
            seconds = self._options.connect_timeout
            raise BrokerUnavailable(
                f"Group {group!r} could not be joined within {seconds:g} s: {self.state or 'busy'}"
            ) from None
        except asyncio.CancelledError:
            self._forget(group, channel)
            raise
        finally:
            waiting = self._waiting.get(group, [])
            if bound in waiting:
                waiting.remove(bound)

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel; the broker is told in the background."""
        self._forget(group, channel)

    def on_connected(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a new connection has all groups again."""
        self._listeners.append(listener)

    @property
    def state(self) -> str:
        """Empty while connected, else the reason why not."""
        return "" if self._connection.is_up.is_set() else self._connection.last_error or "not connected yet"

    async def close(self) -> None:
        """Close the connection; the queue goes with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    # Groups

    def _forget(self, group: str, channel: str) -> None:
        channels = self._groups.get(group)
        if channels is None:
            return
        channels.discard(channel)
        if not channels:
            del self._groups[group]
            self._mark(group)

    def _mark(self, group: str) -> None:
        self._changed[group] = None
        self._change.set()

    async def _bind_forever(self, channel: AbstractChannel) -> None:
        """Make the broker's bindings follow our groups, many in one round trip."""
        while True:
            await self._change.wait()
            self._change.clear()
            await self._bind_changed(channel)

    async def _bind_changed(self, channel: AbstractChannel) -> None:
        changed, self._changed = self._changed, {}
        added = [group for group in changed if group in self._groups and group not in self._bound]
        removed = [group for group in changed if group not in self._groups and group in self._bound]
        exchange = self._options.groups_exchange
        for group in added[:-1]:
            # No answer is asked for these; the answer to the last one says that all were done.
            await channel.queue_bind(self.queue_name, exchange, routing_key=group, nowait=True)
        for group in added[-1:]:
            await channel.queue_bind(self.queue_name, exchange, routing_key=group)
        self._bound.update(added)
        for group in changed:
            if group in self._bound:
                for waiter in self._waiting.pop(group, []):
                    if not waiter.done():
                        waiter.set_result(None)
        for group in removed:
            self._bound.discard(group)
            await channel.queue_unbind(self.queue_name, exchange, routing_key=group)

    # The queue

    async def _until_broken(self, channel: AbstractChannel) -> None:
        """Keep the bindings right; end when the AMQP channel is closed, whoever did it."""
        binding = asyncio.ensure_future(self._bind_forever(channel))
        closing = asyncio.ensure_future(channel.closing)
        try:
            await asyncio.wait({binding, closing}, return_when=asyncio.FIRST_COMPLETED)
            if binding.done():
                binding.result()
            raise ConnectionError("the broker closed the channel")
        finally:
            binding.cancel()

    async def _set_up(self, connection: AbstractConnection) -> Awaitable[Any]:
        channel = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
        await channel.exchange_declare(self._options.groups_exchange, exchange_type="direct")
        await channel.queue_declare(
            self.queue_name,
            exclusive=True,
            arguments={
                "x-max-length": self._options.remote_capacity,
                "x-overflow": "reject-publish",
                "x-message-ttl": int(self._options.expiry * 1000),
            },
        )
        self._bound.clear()
        self._changed = dict.fromkeys(self._groups)
        await self._bind_changed(channel)
        # Messages are not acknowledged: the queue dies with this process, and so do those that it holds.
        await channel.basic_consume(self.queue_name, self._on_delivery, no_ack=True)
        for listener in self._listeners:
            listener()
        return self._until_broken(channel)

    async def _on_delivery(self, delivered: DeliveredMessage) -> None:
        try:
            key, receiver, message = wire.unpack(delivered.body)
        except wire.Undecodable as error:
            self.undecodable += 1
            self._say("undecodable", "Undecodable message dropped: count=%d reason=%s", self.undecodable, error)
            return
        if key == wire.CHANNEL_KEY:
            self._deliver(receiver, message)
            return
        members = self._groups.get(receiver, ())
        message.group = receiver
        for index, channel in enumerate(tuple(members)):
            copy = message
            if index:
                copy = wire.GroupMessage(message)
                copy.group = receiver
            self._deliver(channel, copy)

    def _deliver(self, channel: str, message: dict[str, Any]) -> None:
        if not self._mailbox(channel).put(message):
            self.dropped += 1
            self._say(
                "full",
                "Message dropped, its channel is full: count=%d capacity=%d",
                self.dropped,
                self._options.local_capacity,
            )

    def _mailbox(self, channel: str) -> Mailbox:
        mailbox = self._mailboxes.get(channel)
        if mailbox is None:
            mailbox = self._mailboxes[channel] = Mailbox(self._options.local_capacity, self._options.expiry)
        return mailbox

    def _say(self, kind: str, text: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._said.get(kind, -SAY_SECONDS) >= SAY_SECONDS:
            self._said[kind] = now
            logger.warning(text, *values)

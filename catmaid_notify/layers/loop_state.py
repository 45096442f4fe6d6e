"""Receiving side of the layer on one event loop: channels, group members, buffered messages."""

from __future__ import annotations

import asyncio
import logging
import secrets
import string
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers import codec
from catmaid_notify.layers.amqp.consumer import Receiver
from catmaid_notify.layers.amqp.publisher import Publisher
from catmaid_notify.layers.channel_buffer import ChannelBuffer
from catmaid_notify.layers.options import LayerOptions
from catmaid_notify.layers.worker_queues import WorkerQueueReceiver

logger = logging.getLogger("catmaid_notify.layers")

LOG_INTERVAL_SECONDS: Final = 60.0
"""Shortest time between two log lines about the same kind of loss."""
WATCH_SECONDS: Final = 10.0
"""Interval of the delivery check, a message through the broker to this loop, and of the sweep of unused buffers."""
WATCH_WAIT_SECONDS: Final = 5.0
"""Deadline for the arrival of that message."""
LETTERS: Final = string.ascii_letters
Listener = Callable[[dict[str, Any]], None]


def random_name(length: int = 12) -> str:
    """Return random ASCII letters, from a cryptographic source."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


class GroupMembers:
    """Channels by group. It saves memory where groups have one channel, as the hub's groups do."""

    def __init__(self) -> None:
        self._channels: dict[str, str | set[str]] = {}
        """One channel is stored as a string, several as a set: a set of one takes 216 bytes."""

    def add(self, group: str, channel: str) -> None:
        """Add a channel to a group."""
        found = self._channels.setdefault(group, channel)
        if isinstance(found, set):
            found.add(channel)
        elif found != channel:
            self._channels[group] = {found, channel}

    def discard(self, group: str, channel: str) -> bool:
        """Remove a channel; return true if the group has just become empty."""
        found = self._channels.get(group)
        if isinstance(found, set):
            found.discard(channel)
            if found:
                return False
        elif found != channel:
            return False
        del self._channels[group]
        return True

    def members(self, group: str) -> Collection[str]:
        """Return the channels of a group, an empty collection for an unknown one."""
        found = self._channels.get(group, ())
        return (found,) if isinstance(found, str) else found

    def clear(self) -> list[str]:
        """Remove all groups; return their names."""
        names = list(self._channels)
        self._channels.clear()
        return names


class LoopChannelLayer:
    """Channels and groups of one event loop. All methods belong to that loop."""

    def __init__(
        self,
        options: LayerOptions,
        *,
        capacity_of: Callable[[str], int],
        send_to_group: Callable[[str, dict[str, Any]], Awaitable[None]],
    ) -> None:
        self._options = options
        self._codec = options.codec
        self._capacity_of = capacity_of
        self._send_to_group = send_to_group
        self.queue_name = f"channels_{random_name()}"
        """Name of this loop's queue, and the part before ``!`` of its channel names. `send` routes by it."""
        self._buffers: dict[str, ChannelBuffer] = {}
        self._listeners: dict[str, Listener] = {}
        self._groups = GroupMembers()
        self._watch_group = f"catmaid-notify-watch.{self.queue_name}"
        self._watch_arrived = asyncio.Event()
        self.receiver = Receiver(options, queue_name=self.queue_name, on_body=self._on_body, watch=self._watch)
        self.worker_queues = WorkerQueueReceiver(options, capacity_of=capacity_of)
        self._publisher: Publisher | None = None
        self.dropped = 0
        """Messages that were dropped because their channel was full."""
        self.undecodable = 0
        """Messages that could not be decoded."""
        self._logged_at: dict[str, float] = {}

    async def new_channel(self) -> str:
        """Return a new channel name of this loop, once its queue exists in the broker."""
        await self.receiver.connected()
        return f"{self.queue_name}!{random_name()}"

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for the next message of a channel of this loop."""
        self.receiver.start()
        buffer = self._buffer(channel)
        try:
            return await buffer.get()
        finally:
            if buffer.is_unused and self._buffers.get(channel) is buffer:
                del self._buffers[channel]

    def listen(self, channel: str, listener: Listener) -> None:
        """Call ``listener`` with each message of a channel, instead of buffering it for `receive`."""
        self._listeners[channel] = listener

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group; returns when the broker has the binding.

        Raises:
            BrokerUnavailable: no answer within ``connect_timeout``. The channel is not in the group then.
        """
        self.receiver.start()
        self._groups.add(group, channel)
        try:
            await self.receiver.bind(group)
        except (BrokerUnavailable, asyncio.CancelledError):
            self.group_discard(group, channel)
            raise

    def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel from a group; the broker hears of it in the background."""
        if self._groups.discard(group, channel):
            self.receiver.unbind(group)

    def flush(self) -> None:
        """Drop all buffered messages and all groups of this loop."""
        for group in self._groups.clear():
            self.receiver.unbind(group)
        self._buffers.clear()

    def is_full(self, channel: str) -> bool:
        """Return true if the buffer of a channel of this loop is full."""
        buffer = self._buffers.get(channel)
        return buffer is not None and buffer.is_full

    @property
    def publisher(self) -> Publisher:
        """Publisher for callers on this loop, with a connection of its own. The first use makes it."""
        if self._publisher is None:
            self._publisher = Publisher(self._options, asyncio.get_running_loop(), is_local=True)
        return self._publisher

    async def close(self) -> None:
        """Close all connections of this loop."""
        if self._publisher is not None:
            await self._publisher.close()
        await self.receiver.close()
        await self.worker_queues.close()

    def _on_body(self, body: bytes) -> None:
        try:
            key, receiver, message = self._codec.unpack(body)
        except codec.Undecodable as error:
            self.undecodable += 1
            self._log_limited("undecodable", "Undecodable message dropped: count=%d reason=%s", self.undecodable, error)
            return
        if key == codec.CHANNEL_KEY:
            self._deliver(receiver, message)
            return
        if receiver == self._watch_group:
            self._watch_arrived.set()
            return
        message.group = receiver
        for index, channel in enumerate(self._groups.members(receiver)):
            self._deliver(channel, message.copied() if index else message)

    def _deliver(self, channel: str, message: dict[str, Any]) -> None:
        listener = self._listeners.get(channel)
        if listener is not None:
            try:
                listener(message)
            except Exception:  # an error here would end the connection and lose the messages behind this one
                logger.exception("Listener failed, its message is lost: channel=%s", channel)
            return
        buffer = self._buffer(channel)
        if not buffer.put(message):
            self.dropped += 1
            text = "Message dropped, its channel is full: count=%d capacity=%d"
            self._log_limited("full", text, self.dropped, buffer.capacity)

    def _buffer(self, channel: str) -> ChannelBuffer:
        buffer = self._buffers.get(channel)
        if buffer is None:
            buffer = self._buffers[channel] = ChannelBuffer(self._capacity_of(channel), self._options.expiry)
        return buffer

    def _sweep(self) -> None:
        """Delete unused buffers and expired messages. Channels has no call that ends a channel."""
        for channel, buffer in list(self._buffers.items()):
            buffer.drop_expired()
            if buffer.is_unused:
                del self._buffers[channel]

    async def _watch(self) -> None:
        """Check deliveries and sweep buffers, every `WATCH_SECONDS`. Runs as long as a connection does.

        An operator may delete the queue, the exchange or a binding, and the broker need not report it. A message from
        this loop to itself shows that all three work.

        Raises:
            ConnectionError: the broker has confirmed the message and not delivered it. `Connection` then reconnects.
        """
        await self.receiver.bind(self._watch_group)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._sweep()
            self._watch_arrived.clear()
            try:
                await self._send_to_group(self._watch_group, {})
            except BrokerUnavailable:
                continue  # the publishing connection is down, and reconnects by itself
            try:
                async with asyncio.timeout(WATCH_WAIT_SECONDS):
                    await self._watch_arrived.wait()
            except TimeoutError:
                raise ConnectionError(
                    "a test message through the broker did not arrive; was the queue or the exchange deleted?"
                ) from None

    def _log_limited(self, kind: str, text: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._logged_at.get(kind, -LOG_INTERVAL_SECONDS) >= LOG_INTERVAL_SECONDS:
            self._logged_at[kind] = now
            logger.warning(text, *values)

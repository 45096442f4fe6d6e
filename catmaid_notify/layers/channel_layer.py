"""The RabbitMQ channel layer as Channels sees it: a proxy that picks the receiving side by event loop.

Receiving happens on the loop that asks, since that is where its consumers run; such a loop lives long, and what it
sends itself goes out there, too. All else is published through one connection a process, whichever thread or loop the
call comes from.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
import weakref
from collections.abc import Callable
from typing import Any

from channels.exceptions import ChannelFull, MessageTooLarge
from channels.layers import BaseChannelLayer

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers import codec, flushing, futures, loop_thread, worker_queues
from catmaid_notify.layers.amqp.publisher import MessageRejected, NotPublished, Publisher
from catmaid_notify.layers.loop_state import LoopChannelLayer
from catmaid_notify.layers.options import LayerOptions

_publishers: loop_thread.PerProcess[LayerOptions, Publisher] = loop_thread.PerProcess()


def publisher(options: LayerOptions) -> Publisher:
    """Return the publisher of this process for these options, made at the first call and again after a fork."""
    return _publishers.made.get(options) or _publishers.get(options, _make_publisher)


def flush() -> None:
    """Wait a moment for the last messages of this process; for a process that is about to end."""
    for found in _publishers.all():
        found.flush(loop_thread.EXIT_SECONDS)


flushing.register(flush)


def _make_publisher(options: LayerOptions) -> Publisher:
    return Publisher(options, loop_thread.loop())


@atexit.register
def _close_publishers() -> None:
    flush()
    if made := _publishers.all():
        closing = [asyncio.run_coroutine_threadsafe(found.close(), loop_thread.loop()) for found in made]
        concurrent.futures.wait(closing, timeout=loop_thread.EXIT_SECONDS)


class RabbitmqChannelLayer(BaseChannelLayer):
    """Channel layer on RabbitMQ; see `LayerOptions` for what ``CONFIG`` takes.

    Guarantees: a message arrives at most once and in order per sender and receiver while connections last;
    ``group_add`` returns when the broker has the binding; nothing waits longer than its time-out.
    """

    extensions = ("groups", "flush")

    def __init__(self, *, channel_capacity: dict[Any, int] | None = None, **config: Any) -> None:
        self.options = LayerOptions.from_config(config)
        self._codec = self.options.codec
        super().__init__(expiry=self.options.expiry, capacity=self.options.local_capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopChannelLayer] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()

    @property
    def loop_layer(self) -> LoopChannelLayer:
        """The receiving side on the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            found = self._loops.get(loop)
            if found is None:
                found = self._loops[loop] = LoopChannelLayer(
                    self.options, capacity_of=self.get_capacity, send_to_group=self.group_send
                )
            return found

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send to a channel: a specific one, in this process or another, or a normal one that workers receive from.

        Raises:
            ChannelFull: its queue, or its buffer in this process, is full.
            MessageTooLarge: above 1 MiB.
            BrokerUnavailable: not confirmed within the time-out.
        """
        self.require_valid_channel_name(channel)
        body = self._encode(codec.CHANNEL_KEY, channel, message)
        queue, mark, _ = channel.partition("!")
        if not mark:
            arguments = worker_queues.queue_arguments(self.options, self.get_capacity(channel))
            await self._publish("", worker_queues.queue_of(channel), body, full=ChannelFull, queue_arguments=arguments)
            return
        if any(layer.queue_name == queue and layer.is_full(channel) for layer in self._loop_layers()):
            raise ChannelFull(f"The channel {channel!r} holds {self.get_capacity(channel)} messages.")
        await self._publish("", queue, body, full=ChannelFull)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to all channels of a group. A member without room misses the message; that is no error here.

        Raises:
            MessageTooLarge: above 1 MiB.
            BrokerUnavailable: not confirmed within the time-out.
        """
        self.require_valid_group_name(group)
        body = self._encode(codec.GROUP_KEY, group, message)
        await self._publish(self.options.groups_exchange, group, body, full=None)

    def group_send_nowait(self, group: str, message: dict[str, Any]) -> None:
        """Hand a message for a group to the publisher and return at once; from any thread, with or without a loop.

        Raises:
            MessageTooLarge: above 1 MiB.
        """
        publisher(self.options).submit(
            self.options.groups_exchange, group, self._encode(codec.GROUP_KEY, group, message)
        )

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for a message on a channel of this process and loop, or on a normal channel."""
        self.require_valid_channel_name(channel)
        if "!" in channel:
            return await self.loop_layer.receive(channel)
        return await self.loop_layer.worker_queues.receive(channel)

    def listen(self, channel: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Have ``listener`` called on this loop with each message for a channel of it, as soon as it comes.

        For who would `receive` all the time: no message waits for a turn of the loop, none is lost for want of room.
        """
        self.require_valid_channel_name(channel)
        self.loop_layer.listen(channel, listener)

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a channel name that is new and leads to this process and loop.

        Raises:
            BrokerUnavailable: the broker could not be reached within the time-out.
        """
        return await self.loop_layer.new_channel()

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel of this process to a group; see `LoopChannelLayer.group_add`."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        await self.loop_layer.group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Take a channel out of a group."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        self.loop_layer.group_discard(group, channel)

    async def flush(self) -> None:
        """Forget all messages and groups of this process and loop; other processes keep theirs."""
        self.loop_layer.flush()

    async def close(self) -> None:
        """Close the receiving side of the running loop."""
        with self._lock:
            found = self._loops.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found.close()

    def on_connected(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` on this loop whenever its connection is (back) with all groups."""
        self.loop_layer.receiver.on_connected(listener)

    @property
    def state(self) -> str:
        """Empty while this loop's receiving side is connected, else the reason why not."""
        return self.loop_layer.receiver.state

    def _local_publisher(self, loop: asyncio.AbstractEventLoop) -> Publisher | None:
        """Return the publisher of a loop that receives, ``None`` for one that may end after this call."""
        with self._lock:
            found = self._loops.get(loop)
        return found.publisher if found is not None else None

    def _encode(self, key: str, receiver: str, message: dict[str, Any]) -> bytes:
        body = self._codec.pack(key, receiver, message)
        if len(body) > codec.BYTES_MAX:
            raise MessageTooLarge(f"The message has {len(body)} bytes; {codec.BYTES_MAX} is the most.")
        return body

    def _loop_layers(self) -> list[LoopChannelLayer]:
        with self._lock:
            return list(self._loops.values())

    async def _publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        full: type[Exception] | None,
        queue_arguments: dict[str, Any] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[NotPublished | None] = loop.create_future()
        local = self._local_publisher(loop)
        if local is None:
            done = futures.threadsafe_setter(loop, confirmed)
            publisher(self.options).submit(exchange, routing_key, body, done=done, queue_arguments=queue_arguments)
        else:
            done = futures.local_setter(confirmed)
            local.submit(exchange, routing_key, body, done=done, queue_arguments=queue_arguments)
        error = await confirmed
        if isinstance(error, MessageRejected):
            if full is not None:
                raise full(str(error))
        elif error is not None:
            raise BrokerUnavailable(f"The message was not published: {error}")

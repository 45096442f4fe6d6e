"""Channels' interface to the RabbitMQ layer: a proxy for one `LoopChannelLayer` per event loop.

A loop receives over its own connection, since its consumers run there. Such a loop lives long, so it also publishes
over a connection of its own. All other callers, from any thread or loop, share one publisher per process.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

from channels.exceptions import ChannelFull, MessageTooLarge
from channels.layers import BaseChannelLayer

from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.layers import codec, flushing, futures, loop_thread, worker_queues
from catmaid_notify.layers.amqp.publisher import MessageRejected, NotPublished, Publisher
from catmaid_notify.layers.loop_state import LoopChannelLayer
from catmaid_notify.layers.options import LayerOptions
from catmaid_notify.utils.asyncio import PerLoop

_publishers: loop_thread.PerProcess[LayerOptions, Publisher] = loop_thread.PerProcess()


def publisher(options: LayerOptions) -> Publisher:
    """Return this process's publisher for these options. It is made at the first call, and anew after a fork."""
    return _publishers.made.get(options) or _publishers.get(options, _make_publisher)


def flush() -> None:
    """Wait until all messages of this process are confirmed or given up, `EXIT_SECONDS` for each publisher at most."""
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
    """Channel layer on RabbitMQ. `LayerOptions` lists the keys of ``CONFIG``.

    Guarantees:

    - A message arrives at most once, and in order per sender and receiver while their connections last.
    - ``group_add`` returns when the broker has the binding.
    - No call but ``receive`` waits longer than its time-out: ``connect_timeout`` or ``publish_timeout``.

    The layer can be made without a running loop, and one object serves all threads and loops of a process.
    """

    extensions = ("groups", "flush")

    def __init__(self, *, channel_capacity: dict[Any, int] | None = None, **config: Any) -> None:
        """Validate the options; no connection is made.

        Args:
            channel_capacity: capacities in messages by channel name, pattern (``*``, ``?``) or compiled expression; the
                first match counts. Other channels have ``local_capacity``.
            config: see `LayerOptions.from_config`.

        Raises:
            ImproperlyConfigured: a key is unknown or a value is not valid.
        """
        self.options = LayerOptions.from_config(config)
        self._codec = self.options.codec
        super().__init__(expiry=self.options.expiry, capacity=self.options.local_capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self._loops: PerLoop[LoopChannelLayer] = PerLoop()
        self._lock = threading.Lock()

    @property
    def loop_layer(self) -> LoopChannelLayer:
        """Receiving side of the running loop, made at the first use."""
        with self._lock:
            return self._loops.get(self._make_loop_layer)

    def _make_loop_layer(self) -> LoopChannelLayer:
        return LoopChannelLayer(self.options, capacity_of=self.get_capacity, send_to_group=self.group_send)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message to one channel; returns when the broker has confirmed it.

        A message to a channel whose process has ended is dropped without an error.

        Args:
            channel: a specific channel (with ``!``) of any process, or a normal one, which workers receive from.
            message: dictionary with string keys and values that ``serialize`` can encode.

        Raises:
            ChannelFull: the broker's queue is full, or the channel is in this process and its buffer is full.
            MessageTooLarge: the encoded message is larger than 1 MiB.
            BrokerUnavailable: no confirm within ``publish_timeout`` seconds. The message may have arrived all the same.
            TypeError, ValueError, OverflowError: the name is not valid, or ``serialize`` can't encode the message.
        """
        self.require_valid_channel_name(channel)
        body = self._encode(codec.CHANNEL_KEY, channel, message)
        queue, mark, _ = channel.partition("!")
        if not mark:
            arguments = worker_queues.queue_arguments(self.options, self.get_capacity(channel))
            await self._publish("", worker_queues.queue_of(channel), body, full=ChannelFull, queue_arguments=arguments)
            return
        if any(layer.queue_name == queue and layer.is_full(channel) for layer in self._loop_layers()):
            raise ChannelFull(
                f"The channel {channel!r} is full: {self.get_capacity(channel)} messages wait for a receive()."
            )
        await self._publish("", queue, body, full=ChannelFull)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send a message to all channels of a group; returns when the broker has confirmed it.

        A full channel misses the message, and its process counts and logs that. The sender gets no error.

        Raises:
            MessageTooLarge: the encoded message is larger than 1 MiB.
            BrokerUnavailable: no confirm within ``publish_timeout`` seconds. The message may have arrived all the same.
            TypeError, ValueError, OverflowError: the name is not valid, or ``serialize`` can't encode the message.
        """
        self.require_valid_group_name(group)
        body = self._encode(codec.GROUP_KEY, group, message)
        await self._publish(self.options.groups_exchange, group, body, full=None)

    def group_send_nowait(self, group: str, message: dict[str, Any]) -> None:
        """Queue a message for a group and return at once; from any thread, with or without a loop.

        The message arrives at most once. A loss is counted and logged, not reported to the caller. Unlike the
        coroutines, this method does not validate ``group``.

        Raises:
            MessageTooLarge: the encoded message is larger than 1 MiB.
            TypeError, ValueError, OverflowError: ``serialize`` can't encode the message.
        """
        publisher(self.options).submit(
            self.options.groups_exchange, group, self._encode(codec.GROUP_KEY, group, message)
        )

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait, without a time-out, for the next message of a channel.

        Several tasks may wait on one channel; each message goes to one of them. Cancelling a wait loses no message of
        a specific channel.

        Args:
            channel: a name from this loop's `new_channel`, or a normal channel.

        Returns:
            The message, a dictionary that the caller may change.

        Raises:
            TypeError: the name is not valid.
        """
        self.require_valid_channel_name(channel)
        if "!" in channel:
            return await self.loop_layer.receive(channel)
        return await self.loop_layer.worker_queues.receive(channel)

    def listen(self, channel: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call ``listener`` on the running loop with each message of a channel, instead of buffering for `receive`.

        For a channel that is received from all the time: no message waits for a turn of the loop, and none is dropped
        because a buffer is full.

        Args:
            channel: a name from this loop's `new_channel`.
            listener: must not block. An error that it raises is logged and costs that message only.
        """
        self.require_valid_channel_name(channel)
        self.loop_layer.listen(channel, listener)

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a new channel name of this process and loop. Messages to it arrive from then on.

        Args:
            prefix: ignored; the name begins with that of this loop's queue.

        Raises:
            BrokerUnavailable: no connection to the broker within ``connect_timeout`` seconds.
        """
        return await self.loop_layer.new_channel()

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group; returns when the broker has the binding, so later messages to the group arrive.

        Args:
            group: name of the group.
            channel: a name from this loop's `new_channel`.

        Raises:
            BrokerUnavailable: no answer within ``connect_timeout`` seconds. The channel is not in the group then.
            TypeError: a name is not valid.
        """
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        await self.loop_layer.group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel from a group at once; the broker hears of it in the background.

        A channel that is not in the group is no error.

        Raises:
            TypeError: a name is not valid.
        """
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        self.loop_layer.group_discard(group, channel)

    async def flush(self) -> None:
        """Drop all buffered messages and all groups of this process and loop. Other processes keep theirs."""
        self.loop_layer.flush()

    async def close(self) -> None:
        """Close the connections of the running loop. The next call on this loop opens new ones."""
        with self._lock:
            found = self._loops.pop()
        if found is not None:
            await found.close()

    def on_connected(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` on this loop each time its connection is up, or up again, with all groups joined."""
        self.loop_layer.receiver.on_connected(listener)

    @property
    def state(self) -> str:
        """Empty while this loop is connected with all groups joined, else the reason of the outage."""
        return self.loop_layer.receiver.state

    def _local_publisher(self, loop: asyncio.AbstractEventLoop) -> Publisher | None:
        """Return the publisher of a loop that receives, else ``None``: another loop may end after this call."""
        with self._lock:
            found = self._loops.of(loop)
        return found.publisher if found is not None else None

    def _encode(self, key: str, receiver: str, message: dict[str, Any]) -> bytes:
        body = self._codec.pack(key, receiver, message)
        if len(body) > codec.BYTES_MAX:
            raise MessageTooLarge(
                f"The message to {receiver!r} has {len(body)} bytes; at most {codec.BYTES_MAX} can be sent. "
                "Store large data, and send its id."
            )
        return body

    def _loop_layers(self) -> list[LoopChannelLayer]:
        with self._lock:
            return self._loops.values()

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
            done = futures.threadsafe_setter(confirmed)
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

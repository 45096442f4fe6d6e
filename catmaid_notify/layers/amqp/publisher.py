"""Publisher of one process or one event loop: a connection, a bounded queue, pipelined confirms.

Callers never wait; a callback reports the confirm. The connection is not shared with consuming, since a broker that
blocks publishers stops reading from their connections.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiormq.abc import AbstractChannel

from catmaid_notify.layers.amqp import frames
from catmaid_notify.layers.amqp.connection import AMQP_ERRORS, Connection, InterceptedConnection, reason
from catmaid_notify.layers.amqp.transport import FrameInterceptor
from catmaid_notify.layers.loop_thread import native_lock
from catmaid_notify.layers.options import LayerOptions

logger = logging.getLogger("catmaid_notify.layers")

IN_FLIGHT_MAX: Final = 1000
"""Messages that may be sent and not confirmed yet."""
IN_FLIGHT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of these messages; the last one may exceed the limit."""
BURST_SECONDS: Final = 0.0002
"""A message that follows another one within this time goes through the loop, which writes many at once."""
REDECLARE_SECONDS: Final = 3600.0
"""Time after which a queue is declared again: the broker deletes unused ones."""
CONFIRM_SECONDS: Final = 0.02
"""Longest time that confirms stay unread while nobody waits for one: single reads cost more than sending."""


class NotPublished(Exception):
    """The broker did not take the message, or it is unknown whether it did."""


class MessageRejected(NotPublished):
    """The broker refused the message: a queue is full or is being deleted. The broker does not say which."""


@dataclass(slots=True)
class _PendingMessage:
    """Message from `submit` until its confirm."""

    exchange: str
    routing_key: str
    body: bytes
    deadline: float
    done: Callable[[NotPublished | None], None] | None
    queue_arguments: dict[str, Any] | None
    """Arguments to declare the durable queue ``routing_key`` first; ``None``: declare nothing."""


class Publisher:
    """Publishes messages in the order of submission.

    `submit` and `flush` may be called from any thread, all other methods from ``loop`` only.

    All messages have the same time limit, so their deadlines are in order, too, and one timer for the oldest one
    serves all. A calling thread may write a message itself, which saves waking the loop's thread. So a lock guards the
    output and the messages in flight.
    """

    def __init__(self, options: LayerOptions, loop: asyncio.AbstractEventLoop, *, is_local: bool = False) -> None:
        """Start connecting on ``loop``.

        Args:
            options: brokers, limits and time-outs.
            loop: event loop that owns the connection.
            is_local: all callers are on ``loop``, so no hop between threads is needed.
        """
        self._options = options
        self._loop = loop
        self._is_local = is_local
        self._queue: deque[_PendingMessage] = deque()
        self._is_wake_scheduled = False
        self._last_submitted = 0.0
        """Time of the last `submit`."""
        self._lock = native_lock()
        self._writing_threads: set[int] = set()
        """Threads that are writing. A signal handler that publishes must not wait for the write that it interrupted."""
        self._output: tuple[AbstractChannel, FrameInterceptor] | None = None
        """Channel and socket of the current connection; ``None`` while there is none. Guarded by the lock."""
        self._frame_max = 0
        self._tag = 0
        self._in_flight: OrderedDict[int, _PendingMessage] = OrderedDict()
        """Messages by delivery tag. Guarded by the lock, as the next two are."""
        self._in_flight_bytes = 0
        self._awaited = 0
        """Number of messages in flight that have a callback."""
        self._broken: asyncio.Future[None] | None = None
        """Ends when the current connection is to be given up; each connection has its own."""
        self._connection = Connection(options, name="publishing", set_up=self._set_up)
        self._declared: dict[str, float] = {}
        self._declaring: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Messages without a callback that were given up: no broker, queue full, refused."""
        self._drop_logged_at = -60.0
        loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._connection.run())

    def submit(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        done: Callable[[NotPublished | None], None] | None = None,
        queue_arguments: dict[str, Any] | None = None,
    ) -> None:
        """Publish a message as soon as a broker is connected. Never waits. Raises only what a signal handler raises.

        Args:
            exchange: name of the exchange; empty for the default one.
            routing_key: routing key; for the default exchange, the name of the queue.
            body: encoded message.
            done: called on the publisher's loop, with ``None`` when the broker has confirmed, else with the reason; if
                ``publish_queue`` is full, called before this method returns. Without it a loss is counted and logged.
            queue_arguments: declare the durable queue ``routing_key`` with these arguments first.
        """
        now = time.monotonic()
        item = _PendingMessage(exchange, routing_key, body, now + self._options.publish_timeout, done, queue_arguments)
        is_alone, self._last_submitted = now - self._last_submitted > BURST_SECONDS, now
        if (
            is_alone
            and not self._is_local
            and done is None
            and queue_arguments is None
            and self._try_write_from_caller(item)
        ):
            return
        if len(self._queue) >= self._options.publish_queue:
            self._drop(
                item, NotPublished(f"publish_queue is full: {self._options.publish_queue} messages wait already")
            )
            return
        self._idle.clear()
        self._queue.append(item)
        if not self._is_wake_scheduled:
            self._is_wake_scheduled = True
            if self._is_local:
                self._loop.call_soon(self._wake)
            else:
                try:
                    self._loop.call_soon_threadsafe(self._wake)
                except BaseException:
                    # A signal handler has raised. Without this, no later message would wake the loop.
                    self._is_wake_scheduled = False
                    raise

    def _try_write_from_caller(self, item: _PendingMessage) -> bool:
        """Write a message from the calling thread; return false if it has to go through the queue."""
        output, thread = self._output, threading.get_ident()
        if output is None or thread in self._writing_threads:
            return False
        try:
            piece = frames.publish_frames(output[0].number, item.exchange, item.routing_key, item.body, self._frame_max)
        except ValueError:
            return False  # the queue's path reports this error for all messages
        self._writing_threads.add(thread)
        try:
            is_written = self._try_write(item, piece, output)
        except BaseException:
            # A signal handler has raised, so it is unknown whether the frames were written. The broker may count
            # delivery tags differently from now on, so the connection is given up.
            error = ConnectionError("interrupted while writing")
            self._loop.call_soon_threadsafe(self._mark_broken, self._broken, error)
            raise
        finally:
            self._writing_threads.discard(thread)
        if is_written and self._timer is None:
            self._loop.call_soon_threadsafe(self._schedule_deadline)
        return is_written

    def _try_write(self, item: _PendingMessage, piece: bytes, output: tuple[AbstractChannel, FrameInterceptor]) -> bool:
        with self._lock:
            if self._output is not output or self._queue or not self._has_room():
                return False
            self._idle.clear()
            is_written = output[1].try_write(piece)
            if is_written:
                # Still under the lock: the loop's thread may read the confirm before this line, and waits for it.
                self._add_in_flight(item)
        return is_written

    def flush(self, timeout: float) -> bool:
        """Block until all submitted messages are confirmed or given up; from any thread but the loop's.

        Args:
            timeout: longest wait in seconds.

        Returns:
            False if the time is over before.
        """
        return self._idle.wait(timeout)

    @property
    def state(self) -> str:
        """Empty while connected, else the reason of the outage."""
        return "" if self._connection.is_up.is_set() else self._connection.last_error or "not connected yet"

    async def close(self) -> None:
        """Close the connection and give up all unconfirmed messages."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in (self._task, self._declaring) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._give_up_in_flight(NotPublished("the process ends"))
        while self._queue:
            self._drop(self._queue.popleft(), NotPublished("the process ends"))
        self._idle.set()

    # The connection

    async def _set_up(self, connection: InterceptedConnection) -> Awaitable[Any]:
        channel = await (await connection.channel(publisher_confirms=True)).get_underlay_channel()
        # Not durable, as channels_rabbitmq declares it: the broker refuses another declaration. A restarted broker has
        # lost it, so publishers declare it, too.
        await channel.exchange_declare(self._options.groups_exchange, exchange_type="direct")
        connection.interceptor.set_handler(channel.number, self._on_frame)
        self._broken = self._loop.create_future()
        self._broken.add_done_callback(self._on_broken)
        channel.closing.add_done_callback(partial(self._on_channel_closed, self._broken))
        self._declared.clear()
        with self._lock:
            self._frame_max = channel.connection.connection_tune.frame_max
            self._tag = 0
            self._output = channel, connection.interceptor
        self._loop.call_soon(self._write)
        return self._broken

    def _on_channel_closed(self, broken: asyncio.Future[None], closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        self._mark_broken(broken, error or ConnectionError("the broker closed the channel"))

    def _mark_broken(self, broken: asyncio.Future[None] | None, error: BaseException) -> None:
        """Give up the connection that ``broken`` belongs to.

        The future is passed in, since a late event on an old connection must not end the current one.
        """
        if broken is not None and not broken.done():
            broken.set_exception(error)

    def _on_broken(self, broken: asyncio.Future[None]) -> None:
        with self._lock:
            output, self._output = self._output, None
        if output is not None:
            output[1].set_handler(output[0].number, _discard_confirms)
        error = None if broken.cancelled() else broken.exception()
        self._give_up_in_flight(NotPublished(reason(error) if error else "the connection was lost"))

    def _give_up_in_flight(self, error: NotPublished) -> None:
        """Give up all messages in flight. The broker may have taken them, so a second try could duplicate them."""
        with self._lock:
            lost = list(self._in_flight.values())
            self._in_flight.clear()
            self._in_flight_bytes = self._awaited = 0
        for item in lost:
            self._drop(item, error)
        self._update_idle()

    # Writing

    def _wake(self) -> None:
        # Reset the flag before reading the queue: a message that comes in between schedules another call.
        self._is_wake_scheduled = False
        self._write()

    def _write(self) -> None:
        if self._output is not None:
            self._write_to(*self._output)
        self._schedule_deadline()
        self._update_idle()

    def _write_to(self, channel: AbstractChannel, interceptor: FrameInterceptor) -> None:
        """Write the queued messages at once, up to the limits of messages in flight."""
        too_long: list[tuple[_PendingMessage, NotPublished]] = []
        with self._lock:
            written = self._take_writable(channel, too_long)
            if written:
                interceptor.write(b"".join(written))
        for item, error in too_long:
            self._drop(item, error)
        if self._awaited or self._queue:
            interceptor.resume_reading()
        elif written:
            interceptor.pause_reading(CONFIRM_SECONDS)

    def _take_writable(
        self, channel: AbstractChannel, too_long: list[tuple[_PendingMessage, NotPublished]]
    ) -> list[bytes]:
        pieces: list[bytes] = []
        while self._queue and self._declaring is None and self._has_room():
            item = self._queue[0]
            if item.queue_arguments is not None and not self._is_declared(item.routing_key):
                # The messages behind wait, too: they may be for the same queue, and the order must not change.
                self._declaring = self._loop.create_task(self._declare(channel, item))
                break
            try:
                pieces.append(
                    frames.publish_frames(channel.number, item.exchange, item.routing_key, item.body, self._frame_max)
                )
                self._add_in_flight(item)
            except ValueError as error:
                too_long.append((item, NotPublished(str(error))))
            # Last: a thread in `_try_write` must not overtake this message, and it tests whether the queue is empty.
            self._queue.popleft()
        return pieces

    def _add_in_flight(self, item: _PendingMessage) -> None:
        self._tag += 1
        self._in_flight[self._tag] = item
        self._in_flight_bytes += len(item.body)
        self._awaited += item.done is not None

    def _has_room(self) -> bool:
        return len(self._in_flight) < IN_FLIGHT_MAX and self._in_flight_bytes < IN_FLIGHT_BYTES_MAX

    def _is_declared(self, queue: str) -> bool:
        """Return true if a queue was declared within `REDECLARE_SECONDS`."""
        return time.monotonic() - self._declared.get(queue, -REDECLARE_SECONDS) < REDECLARE_SECONDS

    async def _declare(self, channel: AbstractChannel, item: _PendingMessage) -> None:
        broken = self._broken
        try:
            async with asyncio.timeout(max(0.0, item.deadline - time.monotonic())):
                await channel.queue_declare(item.routing_key, durable=True, arguments=item.queue_arguments)
            self._declared[item.routing_key] = time.monotonic()
        except (*AMQP_ERRORS, RuntimeError) as error:
            if self._queue and self._queue[0] is item:
                self._queue.popleft()
                self._drop(item, NotPublished(reason(error)))
            self._mark_broken(broken, error)
        finally:
            self._declaring = None
        self._write()

    # Answers

    def _on_frame(self, kind: int, payload: bytes) -> bool:
        confirm = frames.parse_confirm(kind, payload)
        if confirm is None:
            return False
        for item in self._pop_answered(confirm.delivery_tag, up_to=confirm.multiple):
            if confirm.refused:
                self._drop(
                    item,
                    MessageRejected(f"a queue for {item.routing_key!r} is full, or is being deleted; try again later"),
                )
            elif item.done is not None:
                item.done(None)
        if self._queue:
            self._write()
        else:
            self._update_idle()
            if self._output is not None and not self._awaited:
                self._output[1].pause_reading(CONFIRM_SECONDS)
        return True

    def _pop_answered(self, tag: int, *, up_to: bool) -> list[_PendingMessage]:
        """Remove and return the message in flight with a delivery tag, or all up to it."""
        answered: list[_PendingMessage] = []
        with self._lock:
            if up_to:
                while self._in_flight and (first := next(iter(self._in_flight))) <= tag:
                    answered.append(self._in_flight.pop(first))
            elif tag in self._in_flight:
                answered.append(self._in_flight.pop(tag))
            self._in_flight_bytes -= sum(len(item.body) for item in answered)
            self._awaited -= sum(item.done is not None for item in answered)
        return answered

    # Giving up

    def _schedule_deadline(self) -> None:
        """Start the timer for the oldest message, unless it runs."""
        if self._timer is None and (first := self._oldest()) is not None:
            self._timer = self._loop.call_later(max(0.0, first.deadline - time.monotonic()), self._on_deadline)

    def _oldest(self) -> _PendingMessage | None:
        return self._oldest_in_flight() or (self._queue[0] if self._queue else None)

    def _oldest_in_flight(self) -> _PendingMessage | None:
        with self._lock:  # another thread may be writing
            return next(iter(self._in_flight.values()), None)

    def _on_deadline(self) -> None:
        self._timer = None
        now = time.monotonic()
        first = self._oldest_in_flight()
        if first is not None and first.deadline <= now:
            # aio-pika's time-outs have no effect while the broker blocks the connection. It is unknown what the broker
            # has taken, so a new connection with new delivery tags is needed.
            seconds = self._options.publish_timeout
            error = TimeoutError(
                f"no confirm within {seconds:g} s; does the broker block publishers (rabbitmq-diagnostics alarms)?"
            )
            self._mark_broken(self._broken, error)
            self._give_up_in_flight(NotPublished(str(error)))
        while self._queue and self._queue[0].deadline <= now and self._declaring is None:
            self._drop(
                self._queue.popleft(), NotPublished(self._connection.last_error or "no connection to the broker yet")
            )
        self._schedule_deadline()
        self._update_idle()

    def _update_idle(self) -> None:
        with self._lock:  # `_try_write` clears the event under this lock, too
            if not self._queue and not self._in_flight:
                self._idle.set()
                # `submit` clears the event before it appends, without the lock: a message may have come in between.
                if self._queue:
                    self._idle.clear()

    def _drop(self, item: _PendingMessage, error: NotPublished) -> None:
        """Give a message up: call its callback, or count it and log the count once a minute."""
        if item.done is not None:
            item.done(error)
            return
        self.dropped += 1
        now = time.monotonic()
        if now - self._drop_logged_at >= 60:
            self._drop_logged_at = now
            logger.warning("Push not delivered, reconciling will find it: dropped=%d reason=%s", self.dropped, error)


def _discard_confirms(kind: int, payload: bytes) -> bool:
    """Drop the confirms of a connection that was given up.

    Their tags would be taken for those of the next connection, and aiormq does not know the messages.
    """
    return frames.parse_confirm(kind, payload) is not None

"""Publishing: one connection for a whole process or one loop, a bounded queue in front, confirms pipelined.

Callers hand bytes over and go on; whoever wants to know gets called back. Apart from consuming, since a broker that
blocks publishers must not stop what is received.
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
"""Messages sent and not confirmed yet."""
IN_FLIGHT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of them; one message may go beyond."""
BURST_SECONDS: Final = 0.0002
"""A message that follows another one so soon goes through the loop, which writes many in one piece."""
REDECLARE_SECONDS: Final = 3600.0
"""How long a declared queue is taken to be there."""
CONFIRM_SECONDS: Final = 0.02
"""How long confirms stay in the socket while nobody waits for one: reading one by one costs more than sending."""


class NotPublished(Exception):
    """The broker did not take the message, or nobody knows whether it did."""


class MessageRejected(NotPublished):
    """A queue that should have got the message is full, or just going away: the broker does not tell which."""


@dataclass(slots=True)
class _PendingMessage:
    exchange: str
    routing_key: str
    body: bytes
    deadline: float
    done: Callable[[NotPublished | None], None] | None
    queue_arguments: dict[str, Any] | None
    """How to declare the durable queue ``routing_key`` before it is published to; ``None``: it is there."""


class Publisher:
    """Publishes. All but `submit`, which may be called from any thread, belongs to ``loop``.

    Messages leave in the order in which they came. Since all may take equally long, their deadlines are in that order,
    too: one timer for the first one serves them all. What is under way is guarded by a lock, since a thread writes by
    itself where it may: no loop has to be woken for a message that nobody waits for.
    """

    def __init__(self, options: LayerOptions, loop: asyncio.AbstractEventLoop, *, is_local: bool = False) -> None:
        """With ``is_local`` it is for callers on ``loop`` only, and saves them the hop between threads."""
        self._options = options
        self._loop = loop
        self._is_local = is_local
        self._queue: deque[_PendingMessage] = deque()
        self._is_wake_scheduled = False
        self._last_submitted = 0.0
        """When the last message was."""
        self._lock = native_lock()
        self._writing_threads: set[int] = set()
        """Threads that write: a signal's handler that sends something must not wait for what it has interrupted."""
        self._output: tuple[AbstractChannel, FrameInterceptor] | None = None
        """Set while messages can be written."""
        self._frame_max = 0
        self._tag = 0
        self._in_flight: OrderedDict[int, _PendingMessage] = OrderedDict()
        """Messages by delivery tag."""
        self._in_flight_bytes = 0
        self._awaited = 0
        """How many of them somebody waits for."""
        self._broken: asyncio.Future[None] | None = None
        self._connection = Connection(options, name="publishing", set_up=self._set_up)
        self._declared: dict[str, float] = {}
        self._declaring: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Messages that were given up: no broker, queue full, refused."""
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
        """Publish when the broker is there; never waits, never raises.

        ``done`` is called on the publisher's loop with ``None`` once the broker has confirmed, else with the reason.
        With ``queue_arguments`` the durable queue ``routing_key`` is declared first.
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
            self._drop(item, NotPublished(f"{self._options.publish_queue} messages wait already"))
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
                    self._is_wake_scheduled = False  # a signal's handler has raised: the next message has to wake it
                    raise

    def _try_write_from_caller(self, item: _PendingMessage) -> bool:
        """Write a message from the caller's thread, if nothing waits before it; return whether that was so."""
        output, thread = self._output, threading.get_ident()
        if output is None or thread in self._writing_threads:
            return False
        try:
            piece = frames.publish_frames(output[0].number, item.exchange, item.routing_key, item.body, self._frame_max)
        except ValueError:
            return False  # said by who has to say it of all messages
        self._writing_threads.add(thread)
        try:
            is_written = self._try_write(item, piece, output)
        except BaseException:
            # A signal's handler has raised, so the broker may count differently than we do.
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
                self._add_in_flight(item)  # a confirm that is faster waits for the lock
        return is_written

    def flush(self, timeout: float) -> bool:
        """Wait until everything submitted is confirmed or given up; return whether it is. For a process's exit."""
        return self._idle.wait(timeout)

    @property
    def state(self) -> str:
        """Empty while connected, else the reason why not."""
        return "" if self._connection.is_up.is_set() else self._connection.last_error or "not connected yet"

    async def close(self) -> None:
        """End the connection and give up what has not been confirmed."""
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
        # Not durable, since channels_rabbitmq declares it so; after a broker's restart it is gone until declared.
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
        """Give one connection up: what happens on an old one, however late, is no fault of the one that is there."""
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
        """Give up what is under way: nobody knows what the broker made of it, and sending it again may double it."""
        with self._lock:
            lost = list(self._in_flight.values())
            self._in_flight.clear()
            self._in_flight_bytes = self._awaited = 0
        for item in lost:
            self._drop(item, error)
        self._update_idle()

    # Writing

    def _wake(self) -> None:
        self._is_wake_scheduled = False  # before looking: what comes from now on asks for another call
        self._write()

    def _write(self) -> None:
        if self._output is not None:
            self._write_to(*self._output)
        self._schedule_deadline()
        self._update_idle()

    def _write_to(self, channel: AbstractChannel, interceptor: FrameInterceptor) -> None:
        """Write what waits, in one piece, as far as there is room."""
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
                # Those behind wait: they may be for the same queue, and they are to stay in order.
                self._declaring = self._loop.create_task(self._declare(channel, item))
                break
            try:
                pieces.append(
                    frames.publish_frames(channel.number, item.exchange, item.routing_key, item.body, self._frame_max)
                )
                self._add_in_flight(item)
            except ValueError as error:
                too_long.append((item, NotPublished(str(error))))
            self._queue.popleft()  # last, so that no other thread's message passes by
        return pieces

    def _add_in_flight(self, item: _PendingMessage) -> None:
        self._tag += 1
        self._in_flight[self._tag] = item
        self._in_flight_bytes += len(item.body)
        self._awaited += item.done is not None

    def _has_room(self) -> bool:
        return len(self._in_flight) < IN_FLIGHT_MAX and self._in_flight_bytes < IN_FLIGHT_BYTES_MAX

    def _is_declared(self, queue: str) -> bool:
        """Return whether a queue was declared a while ago at most: unused ones expire."""
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
                self._drop(item, MessageRejected(f"a queue of {item.routing_key!r} is full, or just going away"))
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
        """Take the message with that tag, or all up to that one, from what is under way."""
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
        """Have `_on_deadline` called when the first message's time is over."""
        if self._timer is None and (first := self._oldest()) is not None:
            self._timer = self._loop.call_later(max(0.0, first.deadline - time.monotonic()), self._on_deadline)

    def _oldest(self) -> _PendingMessage | None:
        return self._oldest_in_flight() or (self._queue[0] if self._queue else None)

    def _oldest_in_flight(self) -> _PendingMessage | None:
        with self._lock:  # another thread may write just now
            return next(iter(self._in_flight.values()), None)

    def _on_deadline(self) -> None:
        self._timer = None
        now = time.monotonic()
        first = self._oldest_in_flight()
        if first is not None and first.deadline <= now:
            # aio-pika's own time-outs don't count while the broker blocks, so this is ours. What the broker made of
            # the frames is unknown: begin anew on a new connection.
            seconds = self._options.publish_timeout
            error = TimeoutError(f"no confirm within {seconds:g} s; does the broker block?")
            self._mark_broken(self._broken, error)
            self._give_up_in_flight(NotPublished(str(error)))
        while self._queue and self._queue[0].deadline <= now and self._declaring is None:
            self._drop(self._queue.popleft(), NotPublished(self._connection.last_error or "no broker"))
        self._schedule_deadline()
        self._update_idle()

    def _update_idle(self) -> None:
        with self._lock:  # who writes by itself clears it in there, too
            if not self._queue and not self._in_flight:
                self._idle.set()
                if self._queue:  # submitted by another thread in between
                    self._idle.clear()

    def _drop(self, item: _PendingMessage, error: NotPublished) -> None:
        """Give a message up: tell who waits for it, else count it and log that once a minute."""
        if item.done is not None:
            item.done(error)
            return
        self.dropped += 1
        now = time.monotonic()
        if now - self._drop_logged_at >= 60:
            self._drop_logged_at = now
            logger.warning("Push not delivered, reconciling will find it: dropped=%d reason=%s", self.dropped, error)


def _discard_confirms(kind: int, payload: bytes) -> bool:
    """Take the confirms of a connection that was given up: tags begin anew on the next one, and aiormq knows none."""
    return frames.parse_confirm(kind, payload) is not None

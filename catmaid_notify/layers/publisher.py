"""Publishing: one thread and one connection a process, a bounded queue in front, confirms pipelined.

Callers hand bytes over and go on; whoever wants to know gets called back. Apart from consuming, since a broker that
blocks publishers must not stop what is received.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiormq
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel

from catmaid_notify.layers.connection import AMQP_ERRORS, Connection, reason
from catmaid_notify.layers.options import LayerOptions

logger = logging.getLogger("catmaid_notify.layers")

IN_FLIGHT_MAX: Final = 1000
"""Messages sent and not confirmed yet."""
SMALL_BYTES: Final = 16_384
"""Messages up to this size are written without waiting; `IN_FLIGHT_MAX` bounds what the network has not taken."""
REDECLARE_SECONDS: Final = 3600.0
"""How long a declared queue is taken to be there."""


class NotPublished(Exception):
    """The broker did not take the message, or nobody knows whether it did."""


class Refused(NotPublished):
    """A queue that should have got the message is full."""


@dataclass(slots=True)
class _Item:
    exchange: str
    routing_key: str
    body: bytes
    deadline: float
    done: Callable[[NotPublished | None], None] | None
    queue_arguments: dict[str, Any] | None
    """How to declare the durable queue ``routing_key`` before it is published to; ``None``: it is there."""


class Publisher:
    """Publishes for a whole process. `submit` may be called from any thread; the rest lives on ``loop``."""

    def __init__(self, options: LayerOptions, loop: asyncio.AbstractEventLoop) -> None:
        self._options = options
        self._loop = loop
        self._queue: deque[_Item] = deque()
        self._awake = False
        self._wake = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._channel: AbstractChannel | None = None
        self._broken: asyncio.Future[None] | None = None
        self._connection = Connection(options, name="publishing", set_up=self._set_up)
        self._declared: dict[str, float] = {}
        self._idle = threading.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []
        self.dropped = 0
        """Messages that were given up: no broker, queue full, refused."""
        self._said_dropped = -60.0
        loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._tasks = [self._loop.create_task(self._connection.run()), self._loop.create_task(self._send_forever())]

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
        deadline = time.monotonic() + self._options.publish_timeout
        item = _Item(exchange, routing_key, body, deadline, done, queue_arguments)
        if len(self._queue) >= self._options.publish_queue:
            self._drop(item, NotPublished(f"{self._options.publish_queue} messages wait already"))
            return
        self._idle.clear()
        self._queue.append(item)
        if not self._awake:
            self._awake = True
            self._loop.call_soon_threadsafe(self._wake.set)

    def flush(self, timeout: float) -> bool:
        """Wait until everything submitted is confirmed or given up; return whether it is. For a process's exit."""
        return self._idle.wait(timeout)

    @property
    def state(self) -> str:
        """Empty while connected, else the reason why not."""
        return "" if self._connection.is_up.is_set() else self._connection.last_error or "not connected yet"

    async def close(self) -> None:
        """End the connection and the tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._in_flight, return_exceptions=True)

    async def _set_up(self, connection: AbstractConnection) -> Awaitable[Any]:
        channel = await connection.channel(publisher_confirms=True)
        self._channel = await channel.get_underlay_channel()
        # Not durable, since channels_rabbitmq declares it so; after a broker's restart it is gone until declared.
        await self._channel.exchange_declare(self._options.groups_exchange, exchange_type="direct")
        self._declared.clear()
        self._broken = self._loop.create_future()
        return self._broken

    async def _send_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._awake = False
            while self._queue:
                await self._room.acquire()
                item = self._queue[0]
                channel = await self._wait_for_channel(item)
                self._queue.popleft()
                if channel is None:
                    self._room.release()
                    self._drop(item, NotPublished(self._connection.last_error or "no broker"))
                    continue
                task = self._loop.create_task(self._publish(channel, item))
                self._in_flight.add(task)
                task.add_done_callback(self._landed)
            self._check_idle()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._room.release()
        self._check_idle()

    def _check_idle(self) -> None:
        if not self._queue and not self._in_flight:
            self._idle.set()
            if self._queue:  # submitted by another thread in between
                self._idle.clear()

    async def _wait_for_channel(self, item: _Item) -> AbstractChannel | None:
        """Return an open channel, or ``None`` when the item's time is over first."""
        while item.deadline > time.monotonic():
            if self._connection.is_up.is_set() and self._channel is not None and not self._channel.is_closed:
                return self._channel
            try:
                async with asyncio.timeout(item.deadline - time.monotonic()):
                    if self._connection.is_up.is_set():
                        # A channel that is closed under an open connection: have the connection made anew.
                        self._break(ConnectionError("the channel was closed"))
                        await asyncio.sleep(0.05)
                    await self._connection.is_up.wait()
            except TimeoutError:
                pass
        return None

    async def _publish(self, channel: AbstractChannel, item: _Item) -> None:
        error: NotPublished | None = None
        try:
            async with asyncio.timeout(item.deadline - time.monotonic()):
                if item.queue_arguments is not None:
                    await self._declare(channel, item.routing_key, item.queue_arguments)
                # Waiting until the network has taken it would hold the next ones up; only what is large needs to.
                await channel.basic_publish(
                    item.body,
                    exchange=item.exchange,
                    routing_key=item.routing_key,
                    wait=len(item.body) > SMALL_BYTES,  # type: ignore[call-arg] # the abstract class lacks it
                )
        except aiormq.exceptions.DeliveryError:
            error = Refused(f"a queue of {item.routing_key!r} is full")
        except TimeoutError:
            # aio-pika's own time-outs don't count while the broker blocks, so this is ours. What the broker made of
            # the frames is unknown: begin anew on a new connection.
            error = NotPublished(f"no confirm within {self._options.publish_timeout:g} s; does the broker block?")
            self._break(TimeoutError(str(error)))
        except (*AMQP_ERRORS, RuntimeError) as caught:
            error = NotPublished(reason(caught))
        except asyncio.CancelledError:
            self._drop(item, NotPublished("the process ends"))
            raise
        if error is not None:
            self._drop(item, error)
        elif item.done is not None:
            item.done(None)

    async def _declare(self, channel: AbstractChannel, queue: str, arguments: dict[str, Any]) -> None:
        """Declare a queue now and then: unused ones expire."""
        now = time.monotonic()
        if now - self._declared.get(queue, -REDECLARE_SECONDS) >= REDECLARE_SECONDS:
            await channel.queue_declare(queue, durable=True, arguments=arguments)
            self._declared[queue] = now

    def _break(self, error: Exception) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)

    def _drop(self, item: _Item, error: NotPublished) -> None:
        """Give a message up: tell who waits for it, else count it and log that once a minute."""
        if item.done is not None:
            item.done(error)
            return
        self.dropped += 1
        now = time.monotonic()
        if now - self._said_dropped >= 60:
            self._said_dropped = now
            logger.warning("Push not delivered, reconciling will find it: dropped=%d reason=%s", self.dropped, error)

"""Process that sends the messages, like a WSGI process or a Celery worker, on orders of the harness."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench import helper, pace

Send = Callable[[int], Awaitable[None]]
"""Sends a message with the current time to the user of that number."""


def group(user: int) -> str:
    """Return the name of a user's group in CATMAID."""
    return f"updates-{user}"


def message(user: int) -> dict[str, Any]:
    """Return a message for a channel layer."""
    return {"type": "user.message", "data": pace.text(), "group": group(user)}


class Rabbitmq:
    """Sender through this project's publisher; both RabbitMQ layers understand its bytes."""

    def __init__(self, place: str) -> None:
        from catmaid_notify.layers import RabbitmqChannelLayer

        self._layer = RabbitmqChannelLayer(host=place)

    async def send(self, user: int) -> None:
        """Hand the message to the publisher thread."""
        self._layer.group_send_nowait(group(user), message(user))


class Redis:
    """Sender through a layer of channels_redis."""

    def __init__(self, place: str) -> None:
        from importlib import import_module

        backend, prefix = place.split("|")
        module, _, name = backend.rpartition(".")
        self._layer = getattr(import_module(module), name)(hosts=["redis://127.0.0.1:6379/0"], prefix=prefix)

    async def send(self, user: int) -> None:
        """Send the message, and wait until Redis has it."""
        await self._layer.group_send(group(user), message(user))


class Nchan:
    """Sender over HTTP to nchan, on one persistent connection."""

    def __init__(self, place: str) -> None:
        self._port = int(place)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, user: int) -> None:
        """Send the message, and wait for the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = pace.text()
        writer.write(f"POST /pub/{user} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))


class Eventstream:
    """Sender through Redis, as django-eventstream uses it between processes."""

    def __init__(self, _place: str) -> None:
        import django

        django.setup()
        from django_eventstream.eventstream import send_event

        self._send_event = send_event

    async def send(self, user: int) -> None:
        """Send the message, and wait until Redis has it. The call blocks the loop, as the library's does."""
        self._send_event(group(user), "message", {"t": pace.now_ns(), "text": pace.FILLING}, async_publish=False)


SENDERS: dict[str, Callable[[str], Any]] = {
    "rabbitmq": Rabbitmq,
    "redis": Redis,
    "nchan": Nchan,
    "eventstream": Eventstream,
}


class Publisher:
    """Orders of the harness; the public method is one."""

    def __init__(self, kind: str, place: str) -> None:
        self._send: Send = SENDERS[kind](place).send

    async def flow(self, count: int, rate: float, groups: int) -> pace.Sent:
        """Send ``count`` messages to ``groups`` users in turn at ``rate`` a second; 0: as fast as possible."""
        started = pace.now_ns()
        for first, last in pace.ticks(count, rate):
            wait = started / 1e9 + first / rate - time.monotonic() if rate else 0.0
            await asyncio.sleep(max(0.0, wait))
            for number in range(first, last):
                await self._send(number % groups + 1)
        return {"sent": count, "first_ns": started}


async def _main() -> None:
    await helper.obey(Publisher(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    asyncio.run(_main())

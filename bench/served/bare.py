"""Application that only sends, to measure the server's own cost."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from bench import pace

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

sockets: defaultdict[int, list[Send]] = defaultdict(list)


def value(scope: dict[str, Any], name: str) -> str:
    """Return a value of the query string."""
    query: str = scope["query_string"].decode()
    return parse_qs(query)[name][0]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Accept a socket and keep it open."""
    await receive()
    await send({"type": "websocket.accept"})
    mine = sockets[int(value(scope, "user"))]
    mine.append(send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    mine.remove(send)


async def push(group: int, text: str) -> None:
    """Send a frame to all sockets of a user."""
    for send in sockets[group]:
        with contextlib.suppress(Exception):  # the client has closed the socket
            await send({"type": "websocket.send", "text": text})


async def flow(count: int, rate: float, groups: int) -> pace.Sent:
    """Send ``count`` messages to the users in turn from this process, without broker and publisher."""
    started = pace.now_ns()
    for first, last in pace.ticks(count, rate):
        await asyncio.sleep(max(0.0, started / 1e9 + first / rate - pace.now_ns() / 1e9) if rate else 0)
        for number in range(first, last):
            await push(number % groups + 1, pace.text())
    return {"sent": count, "first_ns": started}

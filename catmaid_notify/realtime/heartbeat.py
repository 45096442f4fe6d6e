"""Application-level pings: each socket is pinged at intervals, and closed if it does not answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Collection
from typing import Final

from catmaid_notify.conf import conf
from catmaid_notify.protocol import Close
from catmaid_notify.realtime.socket import Socket

PAUSE_SECONDS: Final = 0.02
"""Shortest sleep of the loop. Of many sockets one is always due, so pings may be late by this much."""
AT_ONCE: Final = 10
"""Pings after which the event loop gets a turn for messages."""

Due = deque[tuple[float, Socket]]
"""Sockets with the times at which they are due, in order."""


class Heartbeat:
    """Pings the sockets of one loop. All methods belong to that loop.

    Each socket has its own due time, so thousands of pings are spread over the interval and don't delay messages.
    """

    def __init__(self, alive: Collection[Socket]) -> None:
        """Make a heartbeat for the sockets in ``alive``, a live collection. A socket that leaves it is forgotten."""
        self._alive = alive
        self._due: Due = deque()
        self._pinged: Due = deque()

    def watch(self, socket: Socket) -> None:
        """Ping a socket, for the first time after ``PING_SECONDS``."""
        self._due.append((time.monotonic() + conf.PING_SECONDS, socket))

    async def beat(self) -> None:
        """Take one turn: ping the sockets that are due, close those whose answer is overdue, wait for the next ones."""
        now = time.monotonic()
        await self._ping(now)
        self._close_silent(now)
        await asyncio.sleep(until_due(now, self._due, self._pinged))

    async def _ping(self, now: float) -> None:
        at_once = 0
        while self._due and self._due[0][0] <= now:
            _, socket = self._due.popleft()
            if socket in self._alive:
                self._due.append((now + conf.PING_SECONDS, socket))  # first: no error ends its pings
                socket.ping()
                # A new time, not `now`: `Socket.is_overdue` compares with the time of its ping, which is later.
                self._pinged.append((time.monotonic() + conf.PONG_SECONDS, socket))
                at_once += 1
                if at_once % AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _close_silent(self, now: float) -> None:
        while self._pinged and self._pinged[0][0] <= now:
            _, socket = self._pinged.popleft()
            if socket in self._alive and socket.is_overdue:
                socket.close(Close.SILENT)


def until_due(now: float, *queues: Due) -> float:
    """Return the seconds to sleep: until the first entry of a queue is due, within bounds."""
    due = min((queue[0][0] for queue in queues if queue), default=math.inf)
    return min(1.0, conf.PING_SECONDS / 4, conf.PONG_SECONDS / 4, max(PAUSE_SECONDS, due - now))

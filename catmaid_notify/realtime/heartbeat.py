"""Signs of life: each socket is asked for one now and then, and closed when it gives none."""

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
"""How long those wait at most that are due next: of many sockets one is due all the time."""
AT_ONCE: Final = 10
"""Pings after which the loop gets a turn for messages."""

Due = deque[tuple[float, Socket]]


class Heartbeat:
    """Pings the sockets of one loop. All methods belong to that loop.

    Messages don't wait until thousands are pinged: each is pinged when it is due, and few at once.
    """

    def __init__(self, alive: Collection[Socket]) -> None:
        """``alive`` are those that are open; others are forgotten."""
        self._alive = alive
        self._due: Due = deque()
        self._pinged: Due = deque()

    def watch(self, socket: Socket) -> None:
        """Ping a new socket from now on."""
        self._due.append((time.monotonic() + conf.PING_SECONDS, socket))

    async def run_forever(self) -> None:
        """Ping each socket once an interval, in the order in which they came; close those that don't answer."""
        while True:
            now = time.monotonic()
            await self._ping(now)
            self._close_silent(now)
            await asyncio.sleep(until_due(now, self._due, self._pinged))

    async def _ping(self, now: float) -> None:
        at_once = 0
        while self._due and self._due[0][0] <= now:
            _, socket = self._due.popleft()
            if socket in self._alive:
                socket.ping()
                self._due.append((now + conf.PING_SECONDS, socket))
                # Not from `now`, which may be earlier than what the socket compares with.
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
    """Return the seconds until the first of those is due who are first in their queues, within bounds."""
    due = min((queue[0][0] for queue in queues if queue), default=math.inf)
    return min(1.0, conf.PING_SECONDS / 4, conf.PONG_SECONDS / 4, max(PAUSE_SECONDS, due - now))

"""In-process buffer of one channel, for messages that no ``receive`` has taken yet."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any


class ChannelBuffer:
    """Bounded FIFO queue whose messages expire after ``expiry`` seconds. All methods belong to one event loop."""

    __slots__ = ("_expiry", "_messages", "_receivers", "_waiters", "capacity")

    def __init__(self, capacity: int, expiry: float) -> None:
        self.capacity = capacity
        self._expiry = expiry
        self._messages: deque[tuple[float, dict[str, Any]]] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._receivers = 0
        """Calls of `get` under way. A waiter that has been woken counts until it has its message."""

    @property
    def is_unused(self) -> bool:
        """True if no message and no receiver is left, so that the buffer can be deleted."""
        return not self._messages and not self._receivers

    @property
    def is_full(self) -> bool:
        """True if ``capacity`` messages wait that have not expired."""
        if len(self._messages) < self.capacity:
            return False
        self.drop_expired()
        return len(self._messages) >= self.capacity

    def put(self, message: dict[str, Any]) -> bool:
        """Append a message; return false if the buffer is full."""
        if self.is_full:
            return False
        self._messages.append((time.monotonic(), message))
        self._wake_one()
        return True

    def drop_expired(self) -> None:
        """Remove expired messages."""
        oldest = time.monotonic() - self._expiry
        while self._messages and self._messages[0][0] < oldest:
            self._messages.popleft()

    async def get(self) -> dict[str, Any]:
        """Wait for a message and remove it. Several tasks may wait; each message goes to one of them."""
        self._receivers += 1
        try:
            return await self._next()
        finally:
            self._receivers -= 1

    async def _next(self) -> dict[str, Any]:
        while True:
            self.drop_expired()
            if self._messages:
                return self._messages.popleft()[1]
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # Woken and cancelled in the same turn of the loop: the message goes to the next waiter.
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()
                raise
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

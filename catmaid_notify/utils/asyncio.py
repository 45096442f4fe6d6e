"""asyncio helpers that the standard library lacks. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


def being_cancelled() -> bool:
    """Return ``True`` if ``cancel()`` was called on the current task.

    Drivers cancel their own futures when they give up a connection, and a task that awaits such a future gets a
    CancelledError as well. An endless task must tell the two apart, or a lost connection ends it silently.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most ``seconds``; return ``True`` if it was set in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


class PerLoop(Generic[V]):
    """Objects by event loop, made at the first use on a loop. Any thread may use it.

    Not a WeakKeyDictionary: an object that refers to its loop, by a task for instance, would keep its own key for ever.
    Objects of closed loops are dropped when another loop comes.
    """

    def __init__(self) -> None:
        self._made: dict[asyncio.AbstractEventLoop, V] = {}

    def get(self, make: Callable[[], V]) -> V:
        """Return the object of the running loop, made by ``make`` at the first call."""
        loop = asyncio.get_running_loop()
        found = self._made.get(loop)
        if found is None:
            for known in list(self._made):
                if known.is_closed():
                    self._made.pop(known, None)
            found = self._made[loop] = make()
        return found

    def of(self, loop: asyncio.AbstractEventLoop) -> V | None:
        """Return the object of any loop, if there is one."""
        return self._made.get(loop)

    def pop(self) -> V | None:
        """Remove the object of the running loop, and return it if there was one."""
        return self._made.pop(asyncio.get_running_loop(), None)

    def values(self) -> list[V]:
        """Return the objects of all loops."""
        return list(self._made.values())

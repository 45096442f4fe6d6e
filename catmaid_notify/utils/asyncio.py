"""asyncio helpers that the standard library lacks. Pure."""

from __future__ import annotations

import asyncio


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

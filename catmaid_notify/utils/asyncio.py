"""What asyncio leaves to its users. Pure."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Return whether somebody wants the current task to end.

    Drivers cancel futures of their own when they give a connection up, and who waits for one gets a CancelledError,
    too. A task that goes on for ever must tell the two apart, or it ends in silence.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the event is set, but not longer than that; return whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True

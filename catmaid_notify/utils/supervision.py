"""Supervision of endless duties on one event loop: restarts with back-off, and one log line for each outage."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from catmaid_notify.utils.asyncio import being_cancelled

logger = logging.getLogger("catmaid_notify")

FIRST_RETRY_SECONDS: Final = 0.5
RETRY_SECONDS_MAX: Final = 15.0

Turn = Callable[[], Awaitable[None]]
"""One turn of a duty: waits until there is something to do, does it, and returns."""


class Supervisor:
    """Repeats the turns of duties for as long as the event loop runs. All methods belong to that loop.

    A turn that fails is taken again after a pause that doubles from `FIRST_RETRY_SECONDS` to the duty's limit. A
    CancelledError that nobody has sent to the task counts as a failure: drivers cancel futures of their own when they
    give a connection up. The first failure of an outage and its end are logged, those between them at debug level.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failing: dict[str, str] = {}

    def start(self, name: str, turn: Turn, *, retry_seconds_max: float = RETRY_SECONDS_MAX) -> None:
        """Repeat ``turn`` from now on.

        Args:
            name: of the duty, for logs and for health.
            turn: one turn.
            retry_seconds_max: the longest pause between two tries.
        """
        self._tasks[name] = asyncio.get_running_loop().create_task(self._repeat(name, turn, retry_seconds_max))

    @property
    def failing(self) -> dict[str, str]:
        """Duties whose last turn has failed, with the reason; they are tried again."""
        return dict(self._failing)

    @property
    def are_running(self) -> bool:
        """True if there are duties and none has ended."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks.values())

    async def stop(self) -> None:
        """Cancel all duties, and return when they have ended."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, name: str, turn: Turn, retry_seconds_max: float) -> None:
        failures, began = 0, 0.0
        while True:
            try:
                if failures:
                    await asyncio.sleep(_pause(failures, retry_seconds_max))
                await turn()
            except (Exception, asyncio.CancelledError) as error:
                if being_cancelled():
                    raise
                reason = f"{type(error).__name__}: {error}"
                if not failures:
                    began = time.monotonic()
                    logger.warning("Duty failed, trying again: duty=%s reason=%s", name, reason)
                logger.debug("Duty failed: duty=%s", name, exc_info=error)
                failures += 1
                self._failing[name] = reason
            else:
                if failures:
                    away = time.monotonic() - began
                    logger.info("Duty works again: duty=%s failures=%d seconds=%.1f", name, failures, away)
                    failures = 0
                    del self._failing[name]


def _pause(failures: int, most: float) -> float:
    """Return the seconds to wait before the next try."""
    return min(most, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10))

"""Future setters, thread-safe and loop-local. Many results for one loop cost one ``call_soon_threadsafe``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from catmaid_notify.utils.asyncio import PerLoop


class _LoopResults:
    """Queue of results for the futures of one loop."""

    __slots__ = ("_is_scheduled", "_results")

    def __init__(self) -> None:
        self._results: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self._is_scheduled = False

    def put(self, future: asyncio.Future[Any], result: Any) -> None:
        """Queue a result; from any thread."""
        self._results.append((future, result))
        if not self._is_scheduled:
            self._is_scheduled = True
            try:
                future.get_loop().call_soon_threadsafe(self._set_results)
            except RuntimeError:
                self._results.clear()  # the loop is closed, so nobody waits any more

    def _set_results(self) -> None:
        # Reset the flag before emptying the queue: a result that comes in between schedules another call. In the
        # other order it would stay in the queue.
        self._is_scheduled = False
        while self._results:
            future, result = self._results.popleft()
            if not future.done():
                future.set_result(result)


_results_by_loop: PerLoop[_LoopResults] = PerLoop()


def threadsafe_setter(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """Return a thread-safe setter for ``future``.

    Call this function on the future's own loop; call the setter from any thread. It does nothing if the future is
    done or the loop is closed.
    """
    results = _results_by_loop.get(_LoopResults)
    return lambda result: results.put(future, result)


def local_setter(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """Return a setter for ``future`` that must be called on the future's own loop. It ignores a future that is done."""

    def put(result: Any) -> None:
        if not future.done():
            future.set_result(result)

    return put

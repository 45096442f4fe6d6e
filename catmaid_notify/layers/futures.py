"""Results for those who wait: futures of this loop, or of another thread's loop, many of them by one hop."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any


class _LoopResults:
    """What is on its way to one loop."""

    __slots__ = ("_is_scheduled", "_results")

    def __init__(self) -> None:
        self._results: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self._is_scheduled = False

    def put(self, future: asyncio.Future[Any], result: Any) -> None:
        """Take a result; from any thread."""
        self._results.append((future, result))
        if not self._is_scheduled:
            self._is_scheduled = True
            try:
                future.get_loop().call_soon_threadsafe(self._set_results)
            except RuntimeError:
                self._results.clear()  # the loop has ended, and whoever waited with it

    def _set_results(self) -> None:
        self._is_scheduled = False  # before looking: what comes from now on asks for another hop
        while self._results:
            future, result = self._results.popleft()
            if not future.done():
                future.set_result(result)


_results_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopResults] = weakref.WeakKeyDictionary()


def threadsafe_setter(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """Return what takes the result of ``future``, from any thread. To be called on the future's own loop."""
    results = _results_by_loop.get(loop)
    if results is None:
        results = _results_by_loop[loop] = _LoopResults()
    return lambda result: results.put(future, result)


def local_setter(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """Return what takes the result of ``future``, to be called on the future's own loop."""

    def put(result: Any) -> None:
        if not future.done():
            future.set_result(result)

    return put

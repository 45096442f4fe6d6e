"""Results for those who wait: futures of this loop, or of another thread's loop, many of them by one hop."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any


class _Inbox:
    """What is on its way to one loop."""

    __slots__ = ("_awake", "_results")

    def __init__(self) -> None:
        self._results: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self._awake = False

    def put(self, future: asyncio.Future[Any], result: Any) -> None:
        """Take a result; from any thread."""
        self._results.append((future, result))
        if not self._awake:
            self._awake = True
            try:
                future.get_loop().call_soon_threadsafe(self._hand_out)
            except RuntimeError:
                self._results.clear()  # the loop has ended, and whoever waited with it

    def _hand_out(self) -> None:
        self._awake = False  # before looking: what comes from now on asks for another hop
        while self._results:
            future, result = self._results.popleft()
            if not future.done():
                future.set_result(result)


_inboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Inbox] = weakref.WeakKeyDictionary()


def to(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """Return what takes the result of ``future``, from any thread. To be called on the future's own loop."""
    inbox = _inboxes.get(loop)
    if inbox is None:
        inbox = _inboxes[loop] = _Inbox()
    return lambda result: inbox.put(future, result)


def here(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """Return what takes the result of ``future``, to be called on the future's own loop."""

    def put(result: Any) -> None:
        if not future.done():
            future.set_result(result)

    return put

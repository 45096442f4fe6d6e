"""An event loop in a thread of its own, one a process, usable from any code: sync, async, gevent, after a fork."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

EXIT_SECONDS: Final = 3.0
"""How long a process that ends waits for what it has sent last."""


def loop() -> asyncio.AbstractEventLoop:
    """Return the running loop of this process's background thread, started at the first call."""
    return _loops.get(__name__, _start_loop)


def native_lock() -> Any:
    """Return a lock that the background thread and all others can hold, greenlets or not."""
    return _unpatched("_thread", "allocate_lock")()


def _unpatched(module: str, name: str) -> Any:
    """Return an attribute as it was before gevent patched it.

    gevent makes threads and locks out of greenlets of the calling thread. An event loop that runs in such a "thread"
    counts as the running loop of all others, so it needs a real one.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(__import__(module), name)


def _start_native_thread(target: Callable[..., None], *args: Any) -> None:
    # Threads of _thread don't keep a process from ending, as those of threading do.
    _unpatched("_thread", "start_new_thread")(target, args)


class _NativeExecutor(ThreadPoolExecutor):
    """Runs what the loop hands out (looking host names up) in real threads, a new one each time: it is rare."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn`` in a thread."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to who waits for the result
                future.set_exception(error)
            else:
                future.set_result(result)

        _start_native_thread(run)
        return future


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


class PerProcess(Generic[K, V]):
    """What is made at its first use in a process, and again after a fork; by key.

    For any thread. A signal's handler may ask for what it has just interrupted the making of, and makes it then.
    """

    def __init__(self) -> None:
        self.made: dict[K, V] = {}
        """What this process has; to look here first saves a call."""
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """Return what belongs to ``key``, made by ``make`` at the first call."""
        found = self.made.get(key)
        if found is None:
            with self._lock:
                found = self.made.get(key)
                if found is None:
                    found = self.made.setdefault(key, make(key))
        return found

    def all(self) -> list[V]:
        """Return what this process has made."""
        return list(self.made.values())

    def clear(self) -> None:
        """Forget all."""
        self.made.clear()

    def _reset(self) -> None:
        """After a fork only the forking thread lives on: start anew, and leave the parent's sockets alone."""
        self._lock = _unpatched("_thread", "RLock")()
        self.made.clear()


def _start_loop(_: str) -> asyncio.AbstractEventLoop:
    # Not the default loop: gevent's selector would serve the hub of the thread that asked first.
    loop = asyncio.SelectorEventLoop(_unpatched("selectors", "DefaultSelector")())
    loop.set_default_executor(_NativeExecutor(max_workers=1))
    _start_native_thread(_run, loop)
    return loop


_loops: PerProcess[str, asyncio.AbstractEventLoop] = PerProcess()

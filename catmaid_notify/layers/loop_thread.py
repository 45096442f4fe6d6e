"""Background event loop in a native thread, one per process. It serves any code: sync, async, gevent, after a fork."""

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
"""Longest wait of an ending process for its unsent messages."""


def loop() -> asyncio.AbstractEventLoop:
    """Return the background loop of this process. The first call starts it."""
    return _loops.get(__name__, _start_loop)


def native_lock() -> Any:
    """Return a lock that native threads and greenlets can share."""
    return _unpatched("_thread", "allocate_lock")()


def _unpatched(module: str, name: str) -> Any:
    """Return an attribute of a module as it was before gevent patched it.

    gevent replaces threads with greenlets of the calling thread. asyncio would take an event loop in such a "thread"
    for the running loop of all greenlets of that thread, so the background loop needs a native one.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(__import__(module), name)


def _start_native_thread(target: Callable[..., None], *args: Any) -> None:
    # Unlike threads of `threading`, those of `_thread` don't keep the process from ending.
    _unpatched("_thread", "start_new_thread")(target, args)


class _NativeExecutor(ThreadPoolExecutor):
    """Runs the loop's executor jobs in native threads. Only host names are looked up there, so no thread is kept."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn`` in a new native thread."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller that awaits the future
                future.set_exception(error)
            else:
                future.set_result(result)

        _start_native_thread(run)
        return future


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


class PerProcess(Generic[K, V]):
    """Lazy per-process objects, by key. A child process makes its own after a fork.

    Thread-safe, and reentrant: a signal handler may ask for the object whose creation it has interrupted. Then the
    handler's object is the one that is kept.
    """

    def __init__(self) -> None:
        self.made: dict[K, V] = {}
        """Objects of this process. Read this first on hot paths: it saves a call of `get`."""
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """Return the object for ``key``; the first call makes it with ``make``."""
        found = self.made.get(key)
        if found is None:
            with self._lock:
                found = self.made.get(key)
                if found is None:
                    found = self.made.setdefault(key, make(key))
        return found

    def all(self) -> list[V]:
        """Return all objects of this process."""
        return list(self.made.values())

    def clear(self) -> None:
        """Forget all objects. They are not closed."""
        self.made.clear()

    def _reset(self) -> None:
        """Forget the parent's objects and lock.

        A child has only the thread that forked, so the lock may be held for ever. The sockets belong to the parent.
        """
        self._lock = _unpatched("_thread", "RLock")()
        self.made.clear()


def _start_loop(_: str) -> asyncio.AbstractEventLoop:
    # Not the default loop: under gevent its selector belongs to the gevent hub of the thread that called first.
    loop = asyncio.SelectorEventLoop(_unpatched("selectors", "DefaultSelector")())
    loop.set_default_executor(_NativeExecutor(max_workers=1))
    _start_native_thread(_run, loop)
    return loop


_loops: PerProcess[str, asyncio.AbstractEventLoop] = PerProcess()

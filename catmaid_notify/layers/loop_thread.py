"""An event loop in a thread of its own, one a process, usable from any code: sync, async, after a fork."""

from __future__ import annotations

import asyncio
import os
import threading

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_generation = 0


def loop() -> asyncio.AbstractEventLoop:
    """Return the running loop of this process's background thread, started at the first call."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(_loop,), name="catmaid-notify", daemon=True).start()
        return _loop


def generation() -> int:
    """Return a number that differs after a fork, for those who keep what belongs to the thread."""
    return _generation


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _forget() -> None:
    """After a fork only the forking thread lives on: start anew, and leave the parent's sockets alone."""
    global _lock, _loop, _generation
    _lock = threading.Lock()
    _loop = None
    _generation += 1


os.register_at_fork(after_in_child=_forget)

"""Orderly end of a run: all started processes end, however the run is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

P = ParamSpec("P")
T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does. SIGINT and SIGTERM cancel it, and then this process exits.

    A shell lets background processes ignore SIGINT, and Python keeps that; here both signals count. Only the first one
    counts, since nothing may interrupt the clean-up: Ctrl-C reaches a lane twice, by the terminal and by its parent.
    """
    received: list[signal.Signals] = []

    async def until_signal() -> T:
        task = asyncio.ensure_future(main)

        def end(number: signal.Signals) -> None:
            if not received:
                task.cancel()
            received.append(number)

        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, end, number)
        return await task

    try:
        return asyncio.run(until_signal())
    except asyncio.CancelledError:
        sys.exit(128 + received[0] if received else 1)


async def to_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call in a thread as `asyncio.to_thread` does, but return only after the call has ended, also when cancelled.

    Otherwise a server that starts in a thread could come up after all others were ended.
    """
    call = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **options))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        if not call.cancelled():
            call.exception()  # retrieved, since the cancelled caller doesn't
        raise

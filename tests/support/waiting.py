"""Waiting for what says nothing when it happens: a row, a file, a binding in the broker.

What does say so is waited for by its own means: `Process.wait_for`, `Client.wait_for`, Playwright's ``wait_for…``.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
LOOK_SECONDS = 0.02


def eventually(look: Callable[[], T], *, timeout: float = 10) -> T:
    """Call ``look`` until it returns something true, and return that; fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, f"Still {found!r} after {timeout} s"
        time.sleep(LOOK_SECONDS)
    return found


async def eventually_here(look: Callable[[], T], *, seconds: float = 10) -> T:
    """The same for what happens on the running event loop."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"Still {found!r} after {seconds} s"
        await asyncio.sleep(LOOK_SECONDS)
    return found

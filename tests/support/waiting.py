"""Waiting for states without a notification: a row, a file, a binding in the broker.

Other states have better means: `Process.wait_for`, `Client.wait_for`, Playwright's ``wait_for…``.
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
    """Call ``look`` until it returns a true value, and return the value; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, f"Still {found!r} after {timeout} s"
        time.sleep(LOOK_SECONDS)
    return found


async def eventually_here(look: Callable[[], T], *, seconds: float = 10) -> T:
    """Call ``look`` like `eventually`, but let the running event loop go on in between."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"Still {found!r} after {seconds} s"
        await asyncio.sleep(LOOK_SECONDS)
    return found

"""Lets a process that is told to end clean up behind itself."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Raise SystemExit in this block on SIGTERM, which otherwise ends a Celery worker's child without any clean-up.

    Signals reach the main thread only; in other threads this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(signum: int, frame: FrameType | None) -> None:
    # Once only: a second signal must not interrupt the clean-up that the first one began.
    signal.signal(signum, signal.SIG_IGN)
    sys.exit(128 + signum)

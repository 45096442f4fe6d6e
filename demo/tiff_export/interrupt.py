"""Clean-up of a process that gets SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Raise SystemExit in this block on SIGTERM, which otherwise ends Celery's worker processes without any clean-up.

    Signals reach only the main thread; in other threads this does nothing.
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
    # Only once: a second signal must not interrupt the clean-up of the first one.
    signal.signal(signum, signal.SIG_IGN)
    sys.exit(128 + signum)

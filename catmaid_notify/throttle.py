"""A throttle that keeps the last word: the first call of a burst goes through at once, the latest when it is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Throttle(Generic[T]):
    """Calls ``send`` with at most one state an ``interval`` (in seconds), from the caller's thread or from a timer's.

    After `stop` nothing is sent any more, also by a timer that runs just then.
    """

    def __init__(self, send: Callable[[T], None], interval: float) -> None:
        self._send = send
        self._interval = interval
        self._lock = threading.Lock()
        self._due = 0.0
        self._held: list[T] = []
        self._timer: threading.Timer | None = None
        self._stopped = False

    def __call__(self, state: T, *, at_once: bool = False) -> None:
        """Send ``state`` now if that is due (or ``at_once``), else later, unless a newer one comes."""
        with self._lock:
            if self._stopped:
                return
            now = time.monotonic()
            if now < self._due and not at_once:
                self._held = [state]
                if self._timer is None:
                    self._timer = threading.Timer(self._due - now, self._send_held)
                    self._timer.daemon = True
                    self._timer.start()
                return
            self._held = []
            self._due = now + self._interval
            self._send(state)

    def stop(self) -> None:
        """Send nothing any more."""
        with self._lock:
            self._stopped = True
            self._held = []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _send_held(self) -> None:
        with self._lock:
            self._timer = None
            held, self._held = self._held, []
            if self._stopped or not held:
                return
            self._due = time.monotonic() + self._interval
            self._send(held[0])

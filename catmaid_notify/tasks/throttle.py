"""Throttle that keeps the latest state: the first call of a burst is sent at once, the last one when it is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

STOP_SECONDS: Final = 5.0
"""Seconds that `Throttle.stop` waits for a send in progress."""


class Throttle(Generic[T]):
    """Rate limit for a stream of states: ``send`` runs in the caller's thread, or in a timer's for a late state.

    A caller never waits for the timer's thread: ``send`` may wait there for a database row that the caller has locked.
    """

    def __init__(self, send: Callable[[T], None], interval: float) -> None:
        """Create a throttle.

        Args:
            send: called with a state; never by two threads at a time.
            interval: seconds between the end of one send and the start of the next.
        """
        self._send = send
        self._interval = interval
        self._changed = threading.Condition()
        self._due = 0.0
        self._held: list[T] = []
        self._timer: threading.Timer | None = None
        self._is_sending = False
        self._stopped = False

    def __call__(self, state: T, *, at_once: bool = False) -> None:
        """Send ``state`` now if the interval is over, else later unless a newer state replaces it.

        Args:
            state: the state to send.
            at_once: send it even within the interval, unless a send is in progress.
        """
        with self._changed:
            if self._stopped:
                return
            if self._is_sending or (time.monotonic() < self._due and not at_once):
                self._held = [state]
                self._start_timer()
                return
            self._held = []
            self._is_sending = True
        self._send_exclusively(state)

    def stop(self) -> None:
        """Send nothing any more, and wait for a send in progress."""
        with self._changed:
            self._stopped = True
            self._held = []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._changed.wait_for(lambda: not self._is_sending, timeout=STOP_SECONDS)

    def _start_timer(self) -> None:
        if self._timer is None and not self._is_sending:
            self._timer = threading.Timer(max(0.0, self._due - time.monotonic()), self._send_held)
            self._timer.daemon = True
            self._timer.start()

    def _send_held(self) -> None:
        with self._changed:
            self._timer = None
            held, self._held = self._held, []
            if self._stopped or self._is_sending or not held:
                return
            self._is_sending = True
        self._send_exclusively(held[0])

    def _send_exclusively(self, state: T) -> None:
        try:
            self._send(state)
        finally:
            with self._changed:
                self._is_sending = False
                self._due = time.monotonic() + self._interval
                if self._held and not self._stopped:
                    self._start_timer()
                self._changed.notify_all()

"""Test frames and their timing. This module imports the standard library only, so it runs in every environment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TypedDict

TICK_SECONDS = 0.005
"""Shortest interval between sends. At higher rates several messages are sent together, since timers are not finer."""
MARK = b'"t":'
FILLING = "x" * 100


class Sent(TypedDict):
    """Result of a sender."""

    sent: int
    first_ns: int


def now_ns() -> int:
    """Return the monotonic time. All processes of a machine share this clock."""
    return time.monotonic_ns()


def text() -> str:
    """Return a JSON frame that holds the current time."""
    return f'{{"event":"bench","payload":{{"t":{now_ns()},"text":"{FILLING}"}}}}'


def sent_ns(frame: bytes) -> int:
    """Return the time in a frame; 0 if it is not a test frame."""
    start = frame.find(MARK) + len(MARK)
    if start < len(MARK):
        return 0
    return int(frame[start : frame.index(b",", start)])


def ticks(count: int, rate: float) -> Iterator[tuple[int, int]]:
    """Yield the batches of messages that are sent together, as half-open ranges. Rate 0: batches of 50."""
    step = max(1, int(rate * TICK_SECONDS)) if rate else 50
    for first in range(0, count, step):
        yield first, min(first + step, count)

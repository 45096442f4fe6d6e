"""Messages of the bench, and when they are sent. Takes nothing from elsewhere: it runs in every environment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TypedDict

TICK_SECONDS = 0.005
"""Faster than one message in that time, they are sent some at once: no timer is finer than that for long."""
MARK = b'"t":'
FILLING = "x" * 100


class Sent(TypedDict):
    """What a sender says when it is done."""

    sent: int
    first_ns: int


def now_ns() -> int:
    """Return the time; the clock is that of the machine, so all processes have the same."""
    return time.monotonic_ns()


def text() -> str:
    """Return a frame with the time in it, as JSON."""
    return f'{{"event":"bench","payload":{{"t":{now_ns()},"text":"{FILLING}"}}}}'


def sent_ns(frame: bytes) -> int:
    """Return the time in a frame; 0 if it is none of ours."""
    start = frame.find(MARK) + len(MARK)
    if start < len(MARK):
        return 0
    return int(frame[start : frame.index(b",", start)])


def ticks(count: int, rate: float) -> Iterator[tuple[int, int]]:
    """Cut numbers of messages into what is sent at once: (first, behind the last). Rate 0: all at once, by 50."""
    step = max(1, int(rate * TICK_SECONDS)) if rate else 50
    for first in range(0, count, step):
        yield first, min(first + step, count)

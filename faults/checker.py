"""Checker of a run: lost, unexpected and duplicated messages, and times to show, from the journals. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from faults.journal import Entry

SLOW_SECONDS = 2.0
"""Seconds after which a message counts as slow: an ordinary push is faster."""
AT_ONCE_SECONDS = 1.0
"""Seconds that a push may take on a busy machine."""
SOURCES = {"web", "worker", "script"}
"""Names of all producers."""
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, math.inf)
"""Upper ends of a histogram's bars, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Showing:
    """A message that a viewer had to show, and has shown."""

    viewer: str
    number: str
    acked: float
    seconds: float
    """Seconds from the commit to the showing."""
    via: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Result of a run."""

    lost: list[tuple[str, str]] = field(default_factory=list)
    """(viewer, message): committed while the viewer was there, and never shown by it."""
    unexpected: list[tuple[str, str]] = field(default_factory=list)
    """(viewer, message): never attempted, rolled back, or another user's."""
    duplicated: list[tuple[str, str]] = field(default_factory=list)
    """(viewer, message): shown more than once."""
    showings: list[Showing] = field(default_factory=list)
    acked: int = 0
    """Messages that were committed."""
    failed: int = 0
    """Messages whose creation raised."""

    @property
    def is_good(self) -> bool:
        """True if no message was lost, unexpected or shown twice."""
        return not (self.lost or self.unexpected or self.duplicated)

    @property
    def seconds(self) -> list[float]:
        """Times to show of all messages, in seconds."""
        return [showing.seconds for showing in self.showings]


def check(entries: Iterable[Entry], run: str) -> Verdict:
    """Judge the messages of one run."""
    everything = list(entries)
    mine = [entry for entry in everything if entry.run == run]
    attempted = {entry.number: entry.user for entry in mine if entry.kind == "attempt"}
    acked = {entry.number: entry for entry in mine if entry.kind == "acked"}
    void = {entry.number for entry in mine if entry.kind == "void"}
    joined = {entry.viewer: entry for entry in everything if entry.kind == "joined"}
    left = {entry.viewer for entry in everything if entry.kind == "left"}
    shown = [entry for entry in mine if entry.kind == "shown"]
    first: dict[tuple[str, str], Entry] = {}
    for entry in shown:
        first.setdefault((entry.viewer, entry.number), entry)

    showings, lost = [], []
    for viewer, joining in joined.items():
        for number, ack in acked.items():
            # A page lists the messages that existed before it was opened; it doesn't show them as new.
            if ack.user != joining.user or ack.at < joining.at:
                continue
            showing = first.get((viewer, number))
            if showing is not None:
                showings.append(_showing(showing, ack))
            elif viewer not in left:
                lost.append((viewer, number))
    unexpected = [
        key
        for key, entry in first.items()
        if entry.number not in attempted
        or entry.number in void
        or entry.viewer not in joined
        or attempted[entry.number] != joined[entry.viewer].user
    ]
    times = Counter((entry.viewer, entry.number) for entry in shown)
    return Verdict(
        lost=sorted(lost),
        unexpected=sorted(unexpected),
        duplicated=sorted(key for key, count in times.items() if count > 1),
        showings=sorted(showings, key=lambda showing: showing.acked),
        acked=len(acked),
        failed=sum(entry.kind == "failed" for entry in mine),
    )


def _showing(shown: Entry, ack: Entry) -> Showing:
    # A push can arrive before its sender has written that the commit is done.
    seconds = max(0.0, shown.at - ack.at)
    return Showing(viewer=shown.viewer, number=shown.number, acked=ack.at, seconds=seconds, via=shown.note)


def slow_until(verdict: Verdict, since: float, *, until: float = math.inf) -> float:
    """Return the seconds from ``since`` to the last commit of a slow message, by `SLOW_SECONDS`; 0 if none was slow.

    This is the time that pushing took to work again. Messages from ``until`` on don't count.
    """
    slow = [one.acked for one in verdict.showings if since <= one.acked < until and one.seconds > SLOW_SECONDS]
    return max(slow, default=since) - since


def came_at_once(entries: Iterable[Entry], run: str, begin: float, end: float) -> bool:
    """Return true if all producers have created messages from ``begin`` to ``end``, and each was shown at once.

    "At once" is within `AT_ONCE_SECONDS`.
    """
    everything = list(entries)
    acked = {one.number for one in everything if one.kind == "acked" and one.run == run and begin <= one.at < end}
    if not {number.split(".")[1].rstrip("0123456789") for number in acked} >= SOURCES:
        return False
    verdict = check(everything, run)
    is_late = any(one.seconds > AT_ONCE_SECONDS for one in verdict.showings if one.number in acked)
    return not is_late and acked.isdisjoint(number for _, number in verdict.lost)


def histogram(seconds: Sequence[float]) -> list[int]:
    """Return the number of times in each of `BUCKETS`."""
    counts = [0] * len(BUCKETS)
    for value in seconds:
        counts[next(index for index, end in enumerate(BUCKETS) if value <= end)] += 1
    return counts


def in_phases(verdict: Verdict, phases: Sequence[tuple[float, str]]) -> dict[str, list[float]]:
    """Return the times to show, by the phase in which the message was committed. A phase is its begin and its name."""
    found: dict[str, list[float]] = {name: [] for _, name in phases}
    for showing in verdict.showings:
        name = next((name for begin, name in reversed(phases) if showing.acked >= begin), None)
        if name is not None:
            found[name].append(showing.seconds)
    return found

"""Judges a run by what was written down: lost, unexpected and duplicated messages, and times to show. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from faults.journal import Entry

SLOW_SECONDS = 2.0
"""A message that takes longer was not simply pushed."""
AT_ONCE_SECONDS = 1.0
"""What a push may take on a busy machine."""
SOURCES = {"web", "worker", "script"}
"""All producers."""
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, math.inf)
"""Upper ends of the bars of a histogram, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Showing:
    """One message that one viewer had to show, and did."""

    viewer: str
    number: str
    acked: float
    seconds: float
    """From commit to show."""
    via: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of a run."""

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
        """Whether nothing was lost, unexpected or shown twice."""
        return not (self.lost or self.unexpected or self.duplicated)

    @property
    def seconds(self) -> list[float]:
        """All times to show."""
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
            # What was there before a page was opened is in its list, and nothing that it had to show as new.
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
    # A push can be faster than its sender's writing down that it has committed.
    seconds = max(0.0, shown.at - ack.at)
    return Showing(viewer=shown.viewer, number=shown.number, acked=ack.at, seconds=seconds, via=shown.note)


def slow_until(verdict: Verdict, since: float, *, until: float = math.inf) -> float:
    """Return for how many seconds after ``since`` messages were committed that took longer than `SLOW_SECONDS` to show.

    That is how long pushing took to work again; 0 where it did at once. Messages from ``until`` on don't count.
    """
    slow = [one.acked for one in verdict.showings if since <= one.acked < until and one.seconds > SLOW_SECONDS]
    return max(slow, default=since) - since


def came_at_once(entries: Iterable[Entry], run: str, begin: float, end: float) -> bool:
    """Return whether all that every producer has created in a span of time was shown within `AT_ONCE_SECONDS`."""
    everything = list(entries)
    acked = {one.number for one in everything if one.kind == "acked" and one.run == run and begin <= one.at < end}
    if not {number.split(".")[1].rstrip("0123456789") for number in acked} >= SOURCES:
        return False
    verdict = check(everything, run)
    is_late = any(one.seconds > AT_ONCE_SECONDS for one in verdict.showings if one.number in acked)
    return not is_late and acked.isdisjoint(number for _, number in verdict.lost)


def histogram(seconds: Sequence[float]) -> list[int]:
    """Return how many of the times fall into each of `BUCKETS`."""
    counts = [0] * len(BUCKETS)
    for value in seconds:
        counts[next(index for index, end in enumerate(BUCKETS) if value <= end)] += 1
    return counts


def in_phases(verdict: Verdict, phases: Sequence[tuple[float, str]]) -> dict[str, list[float]]:
    """Return the times to show by the phase in which a message was committed; a phase is its begin and its name."""
    found: dict[str, list[float]] = {name: [] for _, name in phases}
    for showing in verdict.showings:
        name = next((name for begin, name in reversed(phases) if showing.acked >= begin), None)
        if name is not None:
            found[name].append(showing.seconds)
    return found

"""The list of faults: each is one coroutine that makes something fail, mends it, and says what was to be held."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import percentile
from faults.checker import Verdict, slow_until

if TYPE_CHECKING:
    from faults.world import World


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """Something measured, and what it may be at most, or at least."""

    what: str
    value: float
    most: float = math.inf
    least: float = -math.inf
    unit: str = "s"

    @property
    def is_good(self) -> bool:
        return self.least <= self.value <= self.most

    def __str__(self) -> str:
        limit = f"≤ {self.most:g}" if self.most < math.inf else f"≥ {self.least:g}" if self.least > -math.inf else ""
        return f"{self.what} {self.value:.3g} {self.unit} {f'({limit})' if limit else ''}".strip()


Criterion = Measure | Callable[[Verdict], Measure]
"""What a fault itself has measured, or what can be told only when all has been shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One row of the table."""

    id: str
    title: str
    happen: Callable[[World], Awaitable[Sequence[Criterion]]]
    before: float = 5
    """Seconds of load before it."""
    after: float = 8
    """Seconds of load after it."""
    nodes: int = 1
    """Of the broker; more than one are a cluster."""
    lane: str = "main"
    """Faults of one lane happen one after another, to the same installation; lanes run side by side."""


FAULTS: dict[str, Fault] = {}


def fault(
    key: str, title: str, *, after: float = 8, nodes: int = 1, lane: str = "main"
) -> Callable[[Callable[[World], Awaitable[Sequence[Criterion]]]], Fault]:
    """Put a coroutine into the list."""

    def register(happen: Callable[[World], Awaitable[Sequence[Criterion]]]) -> Fault:
        FAULTS[key] = Fault(id=key, title=title, happen=happen, after=after, nodes=nodes, lane=lane)
        return FAULTS[key]

    return register


BACK = ("probeMs", "failureCapMs", "settleMs")
"""The client's waiting times that pass at most, one after the other, until it is live again after trouble."""
ASKED = ("pingMs", "silenceGraceMs", "probeAnswerMs")
"""Those that pass until it takes a silent socket for a dead one, and asks the inbox."""


def p99(seconds: Sequence[float]) -> float:
    """Return the 99th percentile; infinity where nothing was measured."""
    return percentile(seconds, 99) if seconds else math.inf


def pushed_again(healed: float, most: float) -> Criterion:
    """Hold that after ``most`` seconds messages are pushed at once again."""
    return lambda verdict: Measure(what="push again after", value=slow_until(verdict, healed), most=most)


def shown_within(most: float) -> Criterion:
    """Hold that no message takes longer than this."""
    return lambda verdict: Measure(what="shown after", value=max(verdict.seconds, default=0), most=most)

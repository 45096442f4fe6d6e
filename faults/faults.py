"""List of faults. Each is one coroutine that causes a failure, repairs it, and returns its criteria."""

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
    """A measured value and its limits."""

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
"""Criterion that the fault has measured itself, or one that needs the verdict over all messages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One row of the table."""

    id: str
    title: str
    happen: Callable[[World], Awaitable[Sequence[Criterion]]]
    before: float = 5
    """Seconds of load before the fault."""
    after: float = 8
    """Seconds of load after the fault."""
    nodes: int = 1
    """Number of broker nodes; more than one form a cluster."""
    lane: str = "main"
    """Name of the lane. Faults of a lane run one after another on the same installation; lanes run in parallel."""


FAULTS: dict[str, Fault] = {}


def fault(
    key: str, title: str, *, after: float = 8, nodes: int = 1, lane: str = "main"
) -> Callable[[Callable[[World], Awaitable[Sequence[Criterion]]]], Fault]:
    """Return a decorator that adds a coroutine to the list."""

    def register(happen: Callable[[World], Awaitable[Sequence[Criterion]]]) -> Fault:
        FAULTS[key] = Fault(id=key, title=title, happen=happen, after=after, nodes=nodes, lane=lane)
        return FAULTS[key]

    return register


BACK = ("probeMs", "failureCapMs", "settleMs")
"""Timings of the client that can pass, one after another, until it is live again after trouble."""
ASKED = ("pingMs", "silenceGraceMs", "probeAnswerMs")
"""Timings of the client that can pass until it takes a silent socket for dead, and asks the inbox."""


def p99(seconds: Sequence[float]) -> float:
    """Return the 99th percentile; infinity for no values."""
    return percentile(seconds, 99) if seconds else math.inf


def pushed_again(healed: float, most: float) -> Criterion:
    """Return the criterion that messages are pushed at once again, at most ``most`` seconds after the repair."""
    return lambda verdict: Measure(what="push again after", value=slow_until(verdict, healed), most=most)


def shown_within(most: float) -> Criterion:
    """Return the criterion that each message is shown within ``most`` seconds."""
    return lambda verdict: Measure(what="shown after", value=max(verdict.seconds, default=0), most=most)

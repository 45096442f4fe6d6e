"""Rows, figures and goals of the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.figures import Better
from bench.stage import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Amounts of work."""

    seconds: float = 3
    """Seconds for which messages are sent."""
    sockets: int = 500
    many: tuple[int, ...] = (5_000, 10_000)
    burst: int = 10_000
    connects: int = 1_000
    publishes: int = 30_000
    messages: int = 300
    """Messages that are stored one by one."""
    users: int = 10_000
    stored: int = 1_000_000
    requests: int = 2_000


FULL = Sizes()
QUICK = Sizes(seconds=1.5, many=(2_000,), connects=300, publishes=10_000, messages=100, stored=100_000, requests=400)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One figure of a row."""

    title: str
    better: Better = "less"
    format: str = "{:,.1f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """Limit for a figure of one kind: ``times`` the figure of ``against``, plus ``plus``; or ``plus`` alone.

    It is an upper limit, or a lower one for figures in which more is better.
    """

    figure: str
    kind: str
    against: str = ""
    times: float = 1
    plus: float = 0


Values = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A scenario, the kinds that run it, and its figures."""

    name: str
    title: str
    kinds: tuple[str, ...]
    """Kinds to run. The first one is ours, with which the others are compared."""
    figures: Mapping[str, Figure]
    run: Callable[[Stage, str, Sizes], Values]
    prepare: Callable[[Stage, Sizes], Any] = lambda _stage, _sizes: None
    """Called once, before the first run."""
    goals: tuple[Goal, ...] = ()
    rounds: int = 5
    """Rounds of the kinds that goals are about. All others run in the first round only."""

    @property
    def kinds_of_goals(self) -> list[str]:
        """Kinds that goals are about."""
        held = {name for goal in self.goals for name in (goal.kind, goal.against)}
        return [kind for kind in self.kinds if kind in held]

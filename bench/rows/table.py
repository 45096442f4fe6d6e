"""What a row is: something to run with several kinds, the figures that come of it, and what they are to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.figures import Better
from bench.stage import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How much of it."""

    seconds: float = 3
    """For which messages are sent."""
    sockets: int = 500
    many: tuple[int, ...] = (5_000, 10_000)
    burst: int = 10_000
    connects: int = 1_000
    publishes: int = 30_000
    messages: int = 300
    """That are stored one by one."""
    users: int = 10_000
    stored: int = 1_000_000
    requests: int = 2_000


FULL = Sizes()
QUICK = Sizes(seconds=1.5, many=(2_000,), connects=300, publishes=10_000, messages=100, stored=100_000, requests=400)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number of a row."""

    title: str
    better: Better = "less"
    format: str = "{:,.1f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What a figure of one kind is to be: at most ``times`` that of ``against``, plus ``plus``; or ``plus`` alone.

    Where more is better it is "at least".
    """

    figure: str
    kind: str
    against: str = ""
    times: float = 1
    plus: float = 0


Values = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """How to run it with a kind, and what comes of it."""

    name: str
    title: str
    kinds: tuple[str, ...]
    """The first one is ours, with which the others are compared."""
    figures: Mapping[str, Figure]
    run: Callable[[Stage, str, Sizes], Values]
    prepare: Callable[[Stage, Sizes], Any] = lambda _stage, _sizes: None
    """Called once, before the first run."""
    goals: tuple[Goal, ...] = ()
    rounds: int = 5
    """Of the kinds that goals are about; all others are run in the first one only."""

    @property
    def kinds_of_goals(self) -> list[str]:
        """The kinds that goals are about."""
        held = {name for goal in self.goals for name in (goal.kind, goal.against)}
        return [kind for kind in self.kinds if kind in held]

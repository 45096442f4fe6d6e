"""Statistics over runs: medians, spreads, and ratios of runs that took turns. Pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["less", "more"]


class NotInTurns(Exception):
    """A ratio needs runs that took turns. Otherwise it could be caused by a change in the machine's load."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Results of one kind in one round."""

    kind: str
    round: int
    values: Mapping[str, float]
    """Measured values by figure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Median and range of the values of several runs."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        """Return the summary of ``values``.

        Raises:
            ValueError: there are no values.
        """
        ordered = sorted(values)
        if not ordered:
            raise ValueError("There are no values to summarise.")
        return cls(median=statistics.median(ordered), low=ordered[0], high=ordered[-1], count=len(ordered))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` % of the values don't exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("There are no values to take a percentile of.")
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


class Runs:
    """Runs of one row, in the order of their execution."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def add(self, run: Run) -> None:
        """Add a run that has just ended."""
        self._runs.append(run)

    def values(self, kind: str, figure: str) -> list[float]:
        """Return the values of one kind, one for each round."""
        return [run.values[figure] for run in self._runs if run.kind == kind and figure in run.values]

    def kinds(self) -> set[str]:
        """Return the kinds that have runs."""
        return {run.kind for run in self._runs}

    def ratio(self, figure: str, kind: str, peer: str) -> Summary:
        """Return ``kind`` / ``peer``: one ratio for each round with both, summarised.

        Raises:
            NotInTurns: the two kinds did not take turns, once each a round.
            ZeroDivisionError: a value of ``peer`` is 0.
        """
        return Summary.of(ours.values[figure] / theirs.values[figure] for ours, theirs in self._pairs(kind, peer))

    def difference(self, figure: str, kind: str, peer: str) -> Summary:
        """Return ``kind`` - ``peer``: one difference for each round with both, summarised.

        Raises:
            NotInTurns: the two kinds did not take turns, once each a round.
        """
        return Summary.of(ours.values[figure] - theirs.values[figure] for ours, theirs in self._pairs(kind, peer))

    def advantage(self, figure: str, better: Better, kind: str, peer: str) -> Summary | None:
        """Return the factor by which ``kind`` is better than ``peer``, one for each round, summarised; 1 for equals.

        ``None`` if a value is 0, so that there is no ratio.

        Raises:
            NotInTurns: the two kinds did not take turns, once each a round.
        """
        ratios = []
        for ours, theirs in self._pairs(kind, peer):
            above, below = ours.values[figure], theirs.values[figure]
            if better == "less":
                above, below = below, above
            if not above or not below:
                return None
            ratios.append(above / below)
        return Summary.of(ratios)

    def _rounds(self, kind: str) -> set[int]:
        return {run.round for run in self._runs if run.kind == kind}

    def _pairs(self, kind: str, peer: str) -> list[tuple[Run, Run]]:
        shared = self._rounds(kind) & self._rounds(peer)
        both = [run for run in self._runs if run.kind in (kind, peer) and run.round in shared]
        if kind == peer or not both or len(both) % 2:
            raise NotInTurns(f"{kind} and {peer} have {len(both)} runs: not one each a round.")
        pairs = []
        for first, second in zip(both[::2], both[1::2], strict=True):
            if first.kind == second.kind or first.round != second.round:
                raise NotInTurns(
                    f"{kind} and {peer} did not take turns: {first.kind} in round {first.round} was followed by "
                    f"{second.kind} in round {second.round}."
                )
            pairs.append((first, second) if first.kind == kind else (second, first))
        return pairs

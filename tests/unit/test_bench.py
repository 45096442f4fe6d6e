"""What the bench makes of its runs."""

from __future__ import annotations

import pytest

from bench.figures import Better, NotInTurns, Run, Runs, Summary, percentile
from bench.layers import report
from bench.layers.rows import ROWS


def made(*runs: tuple[str, int, float]) -> Runs:
    """Return runs of (kind, round, value of the figure "f"), in this order."""
    result = Runs()
    for kind, number, value in runs:
        result.add(Run(kind=kind, round=number, values={"f": value}))
    return result


def test_summary__median_and_spread() -> None:
    assert Summary.of([5.0, 1.0, 100.0]) == Summary(median=5, low=1, high=100, count=3)
    assert Summary.of([4, 1, 2, 3]).median == 2.5
    with pytest.raises(ValueError, match="no values"):
        Summary.of([])


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (50.5, 51), (99, 99), (100, 100)])
def test_percentile__nearest_rank(percent: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentile__of_few_values() -> None:
    assert percentile([7], 99) == 7
    assert percentile([1, 2], 50) == 1
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@pytest.mark.parametrize(("better", "expected"), [("more", (3.0, 2.0, 8.0)), ("less", (1 / 3, 1 / 8, 1 / 2))])
def test_advantage__a_ratio_a_round(better: Better, expected: tuple[float, float, float]) -> None:
    # Medians of all values would say 40 / 10: the machine was slow in one round, for both.
    runs = made(("a", 0, 20), ("b", 0, 10), ("b", 1, 1), ("a", 1, 8), ("a", 2, 60), ("b", 2, 20))
    ratio = runs.advantage("f", better, "a", "b")
    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high, ratio.count) == pytest.approx((*expected, 3))


def test_advantage__others_in_between_are_no_harm() -> None:
    runs = made(("a", 0, 2), ("c", 0, 5), ("b", 0, 1))
    ratio = runs.advantage("f", "more", "a", "b")
    assert ratio is not None
    assert ratio.median == 2


@pytest.mark.parametrize(
    "runs",
    [
        [("a", 0, 1), ("a", 1, 1), ("b", 0, 1), ("b", 1, 1)],  # first all of one kind, then all of the other
        [("a", 0, 1), ("b", 1, 1)],  # of different rounds
        [("a", 0, 1), ("b", 0, 1), ("a", 1, 1)],  # the last one has no partner
        [("a", 0, 1)],
        [],
    ],
)
def test_advantage__refused_when_not_in_turns(runs: list[tuple[str, int, float]]) -> None:
    with pytest.raises(NotInTurns):
        made(*runs).advantage("f", "more", "a", "b")


def test_advantage__none_over_nothing() -> None:
    assert made(("a", 0, 0), ("b", 0, 5)).advantage("f", "less", "a", "b") is None
    assert made(("a", 0, 5), ("b", 0, 0)).advantage("f", "less", "a", "b") is None


def test_values__of_one_kind_in_order() -> None:
    runs = made(("a", 0, 3), ("b", 0, 9), ("b", 1, 8), ("a", 1, 1))
    assert runs.values("a", "f") == [3, 1]
    assert runs.values("a", "other") == []


def joined(ours: float, theirs: float) -> dict[str, Runs]:
    """Return results of one row in which only the groups joined per second differ."""
    runs = Runs()
    for kind, value in (("ours", ours), ("redis", theirs)):
        runs.add(Run(kind=kind, round=0, values={"joined": value, "join_us": 10}))
    return {"join-channels": runs}


def test_report__says_who_is_ahead() -> None:
    table = report.as_table(joined(3000, 1000), ["ours", "redis"])
    assert "| groups/s | 3,000 | 1,000 | 3.00 |" in table
    assert report.behind(joined(3000, 1000), ["ours", "redis"]) == []


def test_report__says_where_ours_is_behind() -> None:
    (line,) = report.behind(joined(1000, 3000), ["ours", "redis"])
    assert line.startswith(f"{ROWS['join-channels'].title}: groups/s: 3.00 ")
    assert line.endswith(" behind redis")


def test_report__without_ours_there_are_no_ratios() -> None:
    assert "| groups/s | 1,000 |  |" in report.as_table(joined(3000, 1000), ["redis"])
    assert report.behind(joined(1000, 3000), ["redis"]) == []


def test_report__json_has_every_value() -> None:
    figure = report.as_json(joined(3000, 1000), ["ours", "redis"])["join-channels"]["joined"]
    assert figure["kinds"]["ours"]["values"] == [3000]
    assert figure["advantage"]["redis"] == {"median": 3.0, "low": 3.0, "high": 3.0, "count": 1}

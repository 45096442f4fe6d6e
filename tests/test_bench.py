"""What the bench makes of its runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pytest

from bench import growth, pace, proc
from bench import report as bench_report
from bench.figures import Better, NotInTurns, Run, Runs, Summary, percentile
from bench.layers import report
from bench.layers.rows import ROWS
from bench.rows import ROWS as BENCH_ROWS
from bench.rows.table import Figure, Goal, Row
from bench.stage import Stage
from tests.support import environment


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


def test_advantage__of_the_rounds_that_both_were_in() -> None:
    runs = made(("a", 0, 2), ("b", 0, 1), ("a", 1, 50), ("b", 2, 50), ("b", 3, 1), ("a", 3, 4))
    ratio = runs.advantage("f", "more", "a", "b")
    assert ratio is not None
    assert (ratio.low, ratio.high, ratio.count) == (2, 4, 2)


@pytest.mark.parametrize(
    "runs",
    [
        [("a", 0, 1), ("a", 1, 1), ("b", 0, 1), ("b", 1, 1)],  # first all of one kind, then all of the other
        [("a", 0, 1), ("b", 1, 1)],  # of different rounds
        [("a", 0, 1), ("b", 0, 1), ("a", 0, 1)],  # one of them twice in a round
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


def test_ratio_and_difference__a_value_a_round() -> None:
    runs = made(("a", 0, 20), ("b", 0, 10), ("b", 1, 1), ("a", 1, 8), ("a", 2, 60), ("b", 2, 20))
    assert runs.ratio("f", "a", "b") == Summary(median=3, low=2, high=8, count=3)
    assert runs.difference("f", "a", "b") == Summary(median=10, low=7, high=40, count=3)
    with pytest.raises(NotInTurns):
        made(("a", 0, 1), ("b", 1, 1)).ratio("f", "a", "b")


@pytest.mark.parametrize(("count", "rate"), [(0, 100), (7, 100), (1000, 1000), (1001, 10_000), (120, 0)])
def test_ticks__each_message_once_and_few_at_a_time(count: int, rate: float) -> None:
    cut = list(pace.ticks(count, rate))
    assert [number for first, last in cut for number in range(first, last)] == list(range(count))
    assert all(last - first <= max(1, rate * pace.TICK_SECONDS, 0 if rate else 50) for first, last in cut)


def test_frames__tell_when_they_were_sent() -> None:
    before = pace.now_ns()
    assert before <= pace.sent_ns(pace.text().encode()) <= pace.now_ns()
    assert pace.sent_ns(b'{"event":"hello","payload":{}}') == 0
    assert pace.sent_ns(b'data: {"t": 12, "text": "x"}') == 12


def test_processes__are_counted_with_what_they_started() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & read line; kill $!"], stdin=subprocess.PIPE) as started:
        assert started.stdin is not None
        deadline = time.monotonic() + 30
        while len(found := proc.with_children(started.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        started.stdin.write(b"\n")
    assert found[0] == started.pid
    assert len(found) == 2


def row(*goals: Goal) -> Row:
    """Return a row with the figures "f" (less is better) and "g" (more is)."""
    return Row(
        name="row",
        title="A row",
        kinds=("a", "b", "not measured"),
        figures={"f": Figure(title="cost"), "g": Figure(title="rate", better="more")},
        run=lambda _stage, _kind, _sizes: {},
        goals=goals,
    )


@pytest.mark.parametrize(
    ("goal", "is_reached"),
    [
        (Goal(figure="f", kind="a", against="b", times=1.25), False),
        (Goal(figure="f", kind="a", against="b", times=1.5), True),
        (Goal(figure="f", kind="a", against="b", plus=6), True),
        (Goal(figure="f", kind="a", against="b", plus=4), False),
        (Goal(figure="f", kind="a", plus=15), True),
        (Goal(figure="f", kind="a", plus=14), False),
        (Goal(figure="f", kind="a"), False),
        (Goal(figure="g", kind="a", against="b", times=1.5), True),
        (Goal(figure="g", kind="a", against="b", times=1.6), False),
        (Goal(figure="g", kind="a", plus=31), False),
    ],
)
def test_goals(goal: Goal, *, is_reached: bool) -> None:
    runs = Runs()
    runs.add(Run(kind="a", round=0, values={"f": 15, "g": 30}))
    runs.add(Run(kind="b", round=0, values={"f": 10, "g": 20}))
    (outcome,) = bench_report.outcomes(row(goal), runs)
    assert outcome.is_reached is is_reached


def test_bench_report__only_what_was_measured() -> None:
    runs = Runs()
    runs.add(Run(kind="b", round=0, values={"f": 10, "g": 20}))
    runs.add(Run(kind="a", round=0, values={"f": 5, "g": 20}))
    tested = row(Goal(figure="f", kind="a", against="not measured"))
    assert not list(bench_report.outcomes(tested, runs))
    assert bench_report.as_table(tested, runs).splitlines()[2:] == [
        "| a | 5.0 |  | 20.0 |  |",
        "| b | 10.0 | 2.00 | 20.0 | 1.00 |",
    ]
    assert bench_report.as_json(tested, runs)["figures"]["f"]["advantage"] == {"b": 2.0}


def test_rows__goals_are_of_kinds_and_figures_that_they_have() -> None:
    for one in BENCH_ROWS.values():
        for goal in one.goals:
            assert goal.figure in one.figures
            assert {goal.kind, goal.against or goal.kind} <= set(one.kinds)
        assert len(set(one.kinds)) == len(one.kinds)


def test_kinds_of_goals__measured_and_compared_with() -> None:
    goals = row(Goal(figure="f", kind="b", against="a"))
    assert goals.kinds_of_goals == ["a", "b"]


def test_growth__a_column_a_size_and_a_plot(tmp_path: Path) -> None:
    curve = growth.Curve(
        name="c",
        title="A curve",
        across="sockets",
        sizes=(1, 4),
        kinds=("a", "b"),
        figures={"f": "cost"},
        run=lambda _stage, kind, size: {"f": size * len(kind + "x")},
    )
    measured = growth.measure(cast(Stage, None), curve)
    assert growth.table(curve, measured).splitlines() == [
        "| A curve | 1 sockets | 4 sockets |",
        "| --- | ---: | ---: |",
        "| a: cost | 2 | 8 |",
        "| b: cost | 2 | 8 |",
    ]
    if find_spec("matplotlib"):
        assert growth.plot(curve, measured, tmp_path).read_bytes().startswith(b"\x89PNG")


@pytest.mark.real
@pytest.mark.slow
def test_bench__a_row_on_real_servers(tmp_path: Path) -> None:
    environment.require("rabbitmq", "postgresql")
    given = ["--rows", "fan-out", "--quick", "--kinds", "uvicorn: ours", "uvicorn: only", "--json", str(tmp_path / "f")]
    subprocess.run([sys.executable, "-m", "bench", *given], check=True, timeout=110, stdout=subprocess.DEVNULL)
    figures = json.loads((tmp_path / "f").read_text())["rows"]["fan-out"]["figures"]
    assert figures["lost"]["kinds"]["uvicorn: ours"]["values"] == [0]
    assert figures["cpu_us"]["advantage"]["uvicorn: only sends"] > 0

"""The parts of the matrix that need no servers: criteria, the table, the slope of a soak, orders to producers."""

from __future__ import annotations

import math
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from faults import report
from faults.checker import Showing, Verdict
from faults.faults import Measure, pushed_again, shown_within
from faults.matrix import FAULTS
from faults.outcome import Outcome
from faults.producing import Orders
from faults.runner import judged_again
from faults.soak import slope
from tests.support.process import PYTHON, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def outcome(*measures: Measure, verdict: Verdict | None = None, error: str = "") -> Outcome:
    return Outcome(
        fault=FAULTS["F08"], verdict=verdict or Verdict(), measures=list(measures), phases=[(0, "before")], error=error
    )


@pytest.mark.parametrize(("value", "good"), [(14.9, True), (15, True), (15.1, False), (math.inf, False)])
def test_measure(value: float, *, good: bool) -> None:
    measure = Measure(what="push again after", value=value, most=15)
    assert measure.is_good is good
    assert outcome(measure).is_good is good
    assert report.cells(outcome(measure))[-1] == (report.GOOD if good else "**failed**")
    assert str(measure) == f"push again after {value:.3g} s (≤ 15)"


def test_measure__at_least() -> None:
    assert not Measure(what="spread", value=1, least=2.5).is_good
    assert str(Measure(what="spread", value=3, least=2.5)) == "spread 3 s (≥ 2.5)"


@pytest.mark.parametrize("kind", ["lost", "unexpected", "duplicated"])
def test_outcome__each_kind_fails_the_row_and_is_shown(kind: str) -> None:
    found: Any = {kind: [("ann1", "F08.web.1")]}
    bad = outcome(verdict=Verdict(**found))
    assert not bad.is_good
    assert "1" in report.cells(bad)
    assert f"{kind}: ann1 F08.web.1" in report.details(bad)


def test_outcome__a_fault_that_could_not_be_made_fails_the_row() -> None:
    assert not outcome(error="RuntimeError: no such node").is_good
    assert "no such node" in report.markdown([report.cells(outcome(error="RuntimeError: no such node"))])


def test_judged_again__lost_stays_lost_and_what_came_twice_counts() -> None:
    first = Verdict(lost=[("ann1", "F08.web.1")], acked=2)
    late = Showing(viewer="ann1", number="F08.web.1", acked=112, seconds=170, via="sync")
    verdict = judged_again(first, Verdict(showings=[late], duplicated=[("ann2", "F08.web.2")], acked=2))
    assert verdict.lost == first.lost
    assert verdict.duplicated == [("ann2", "F08.web.2")]
    assert not verdict.seconds


def test_criteria_that_are_told_at_the_end() -> None:
    slow = Showing(viewer="ann1", number="F08.web.1", acked=112, seconds=20, via="sync")
    quick = Showing(viewer="ann1", number="F08.web.2", acked=130, seconds=0.01, via="push")
    verdict = Verdict(showings=[slow, quick])
    again, within = pushed_again(100, 15), shown_within(15)
    assert not isinstance(again, Measure)
    assert not isinstance(within, Measure)
    assert again(verdict).value == 12
    assert within(verdict).value == 20


def test_put__replaces_the_table_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n\n{report.BEGIN}\n| old |\n{report.END}\n\nafter\n")
    report.put(path, "| new |")
    assert path.read_text() == f"before\n\n{report.BEGIN}\n| new |\n{report.END}\n\nafter\n"


def test_bytes_in_use__of_this_process() -> None:
    code = """
from faults.memory import bytes_in_use
before = bytes_in_use()
kept = [bytes(1000) for _ in range(10_000)]
much = bytes(50_000_000)
with_them = bytes_in_use()
del kept, much
print(with_them - before, bytes_in_use() - before)
"""
    env = {**os.environ, "PYTHONMALLOC": "malloc"}
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    added, left = map(int, done.stdout.split())
    assert 60_000_000 < added < 62_000_000
    assert abs(left) < 200_000


def test_slope() -> None:
    assert slope([(0, 100), (60, 101), (120, 102)]) == pytest.approx(1 / 60)
    assert slope([(0, 100)]) == 0


def test_orders__are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    assert Orders.read(path).run == ""
    orders = Orders(run="F08", users=[1, 2], rate=3.5, worker=2)
    orders.write(path)
    assert Orders.read(path) == orders

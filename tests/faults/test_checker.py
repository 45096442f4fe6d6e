"""The judge is judged: a bug of each kind is planted into a good log, and must be found."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from faults import timings
from faults.checker import BUCKETS, SOURCES, came_at_once, check, histogram, in_phases, slow_until
from faults.journal import Entry, Journal, Reader

if TYPE_CHECKING:
    from pathlib import Path

ANN, BEN = 1, 2


@pytest.fixture
def log() -> list[Entry]:
    """Two users with two viewers each; each gets five messages at one a second, shown after 0.1 s."""
    entries = [
        Entry(kind="joined", at=0, viewer=f"{name}{tab}", user=user)
        for name, user in (("ann", ANN), ("ben", BEN))
        for tab in (1, 2)
    ]
    for number, at in zip(range(10), count(10), strict=False):
        user, name = ((ANN, "ann"), (BEN, "ben"))[number % 2]
        title = f"F01.web.{number}"
        entries.append(Entry(kind="attempt", at=at, number=title, user=user))
        entries.append(Entry(kind="acked", at=at + 0.01, number=title, user=user))
        entries += [
            Entry(kind="shown", at=at + 0.11, number=title, viewer=f"{name}{tab}", note="push") for tab in (1, 2)
        ]
    return entries


def of(log: list[Entry], kind: str, number: str, viewer: str = "") -> Entry:
    return next(entry for entry in log if (entry.kind, entry.number, entry.viewer) == (kind, number, viewer))


def test_good_log(log: list[Entry]) -> None:
    verdict = check(log, "F01")
    assert verdict.is_good
    assert verdict.acked == 10
    assert len(verdict.seconds) == 20
    assert max(verdict.seconds) == pytest.approx(0.1)


def test_planted_loss(log: list[Entry]) -> None:
    log.remove(of(log, "shown", "F01.web.3", "ben2"))
    verdict = check(log, "F01")
    assert verdict.lost == [("ben2", "F01.web.3")]
    assert not verdict.is_good


def test_planted_duplicate(log: list[Entry]) -> None:
    log.append(replace(of(log, "shown", "F01.web.4", "ann1"), at=90))
    verdict = check(log, "F01")
    assert verdict.duplicated == [("ann1", "F01.web.4")]
    assert not verdict.is_good


def test_planted_stranger(log: list[Entry]) -> None:
    """A message that nobody has sent, one of another user, and one in a viewer that nobody knows."""
    log.append(Entry(kind="shown", at=30, number="F01.web.99", viewer="ann1"))
    log.append(Entry(kind="shown", at=30, number="F01.web.1", viewer="ann1"))
    log.append(Entry(kind="shown", at=30, number="F01.web.2", viewer="eve"))
    verdict = check(log, "F01")
    assert verdict.unexpected == [("ann1", "F01.web.1"), ("ann1", "F01.web.99"), ("eve", "F01.web.2")]
    assert not verdict.is_good


def test_planted_rollback(log: list[Entry]) -> None:
    log.append(Entry(kind="attempt", at=20, number="F01.web.20", user=ANN))
    log.append(Entry(kind="void", at=20, number="F01.web.20", user=ANN))
    assert check(log, "F01").is_good
    log.append(Entry(kind="shown", at=21, number="F01.web.20", viewer="ann1"))
    assert check(log, "F01").unexpected == [("ann1", "F01.web.20")]


def test_attempt_without_an_answer_may_be_shown_or_not(log: list[Entry]) -> None:
    """Who is killed around the commit doesn't say what came of it."""
    log.append(Entry(kind="attempt", at=20, number="F01.web.20", user=ANN))
    assert check(log, "F01").is_good
    log.append(Entry(kind="shown", at=21, number="F01.web.20", viewer="ann1"))
    assert check(log, "F01").is_good


def test_shown_by_one_tab_is_not_shown_by_the_other(log: list[Entry]) -> None:
    for number in (0, 2):
        log.remove(of(log, "shown", f"F01.web.{number}", "ann2"))
    assert check(log, "F01").lost == [("ann2", "F01.web.0"), ("ann2", "F01.web.2")]


def test_viewer_that_came_later_or_left(log: list[Entry]) -> None:
    """What was committed before is not new to it; it may be in its list. Who has left shows nothing any more."""
    log.append(Entry(kind="joined", at=15, viewer="ann3", user=ANN))
    log.append(Entry(kind="shown", at=15.5, number="F01.web.0", viewer="ann3"))
    assert check(log, "F01").lost == [("ann3", "F01.web.6"), ("ann3", "F01.web.8")]
    log.append(Entry(kind="left", at=15.6, viewer="ann3"))
    assert check(log, "F01").is_good


def test_other_runs_are_left_out(log: list[Entry]) -> None:
    log.append(Entry(kind="attempt", at=50, number="F02.web.1", user=ANN))
    log.append(Entry(kind="acked", at=50, number="F02.web.1", user=ANN))
    assert check(log, "F01").is_good
    assert len(check(log, "F02").lost) == 2
    assert check(log, "F0").acked == 0


def test_slow_until(log: list[Entry]) -> None:
    slow = of(log, "shown", "F01.web.6", "ann1")
    log[log.index(slow)] = replace(slow, at=40)
    verdict = check(log, "F01")
    assert verdict.is_good
    assert slow_until(verdict, 12) == pytest.approx(4.01)
    assert slow_until(verdict, 17) == 0
    assert slow_until(verdict, 12, until=16) == 0


def test_phases_and_histogram(log: list[Entry]) -> None:
    by_phase = in_phases(check(log, "F01"), [(0, "before"), (12, "during"), (16, "after")])
    assert {name: len(seconds) for name, seconds in by_phase.items()} == {"before": 4, "during": 8, "after": 8}
    counts = histogram([0.005, 0.2, 0.3, 500])
    assert sum(counts) == 4
    assert counts[BUCKETS.index(0.3)] == 2
    assert counts[-1] == 1


def test_journal__what_is_written_is_read_once(tmp_path: Path) -> None:
    journal, reader = Journal(tmp_path, "web"), Reader(tmp_path)
    journal.write("attempt", "F01.web.1", ANN)
    first = reader.more()
    journal.write("acked", "F01.web.1", ANN, seconds=0.5)
    (tmp_path / "torn.jsonl").write_text('{"kind": "acked", "at"')
    second = reader.more()
    assert [entry.kind for entry in first + second] == ["attempt", "acked"]
    assert second[0].seconds == 0.5
    assert first[0].at <= second[0].at
    assert first[0].run == "F01"


def test_timings__are_those_of_the_client() -> None:
    found = timings.defaults()
    assert found["pollMs"] == 60_000
    assert found["probeMs"] == [5_000, 15_000, 30_000, 60_000, 120_000, 300_000]
    assert found["giveUpFailures"] == 3
    assert set(timings.SHORT_TIMINGS) <= set(found)


def test_timings__the_short_ones_are_put_into_the_client() -> None:
    text = timings.shortened()
    assert "pollMs: 4000," in text
    assert "export const PROBE_MS = [1000, 2000, 4000];" in text
    assert "export const GIVE_UP_FAILURES = 3;" in text


@pytest.fixture
def busy(log: list[Entry]) -> list[Entry]:
    """The same five messages each, from every producer."""
    numbers = {entry.number: entry.number.replace("web", "worker7") for entry in log}
    return [
        *log,
        *[replace(entry, number=numbers[entry.number]) for entry in log if entry.number],
        *[replace(entry, number=entry.number.replace("web", "script7")) for entry in log if entry.number],
    ]


def test_came_at_once(busy: list[Entry]) -> None:
    assert came_at_once(busy, "F01", 10, 20)
    assert not came_at_once(busy, "F02", 10, 20)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_came_at_once__not_while_a_producer_is_silent(busy: list[Entry], source: str) -> None:
    without = [entry for entry in busy if f".{source}" not in entry.number]
    assert not came_at_once(without, "F01", 10, 20)


@pytest.mark.parametrize("late", [1.2, 30])
def test_came_at_once__not_when_one_viewer_showed_one_late(busy: list[Entry], late: float) -> None:
    showing = of(busy, "shown", "F01.worker7.3", "ben2")
    busy[busy.index(showing)] = replace(showing, at=showing.at + late)
    assert not came_at_once(busy, "F01", 10, 20)
    assert came_at_once(busy, "F01", 15, 20)  # it was created before


def test_came_at_once__not_when_one_viewer_never_showed_one(busy: list[Entry]) -> None:
    busy.remove(of(busy, "shown", "F01.script7.3", "ben2"))
    assert not came_at_once(busy, "F01", 10, 20)


def test_deadline() -> None:
    assert timings.deadline("pollMs", "probeMs", "PING_SECONDS") == timings.BUSY_SECONDS + 4 + 1.25 * 4 + 2
    with pytest.raises(KeyError):
        timings.deadline("pollMS")

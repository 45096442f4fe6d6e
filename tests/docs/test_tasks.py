"""docs/tasks.md has the texts and numbers that the code has."""

from __future__ import annotations

import re

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery.exceptions import TaskRevokedError

from catmaid_notify.conf import Conf
from catmaid_notify.tasks import celery, reporter
from catmaid_notify.tasks.texts import failure_text
from tests.docs import pages

PAGE = "tasks.md"
REASONS: dict[str, BaseException] = {
    "`SoftTimeLimitExceeded`, `TimeLimitExceeded`": SoftTimeLimitExceeded(),
    "`TaskRevokedError`, expired": TaskRevokedError("expired"),
    "`TaskRevokedError`, revoked": TaskRevokedError("revoked"),
    "`WorkerLostError`": WorkerLostError(),
    "any other": RuntimeError(),
}


def test_failures__reasons() -> None:
    given = dict(pages.rows(pages.section(PAGE, "## Failures")))
    del given["`UserTaskError`"]
    assert given == {cell: f"*{failure_text(error)}*" for cell, error in REASONS.items()}
    assert failure_text(TimeLimitExceeded()) == failure_text(SoftTimeLimitExceeded())


def test_text__numbers() -> None:
    text = re.sub(r"\s+", " ", pages.page(PAGE))
    assert Conf.PROGRESS_PER_SECOND == 4
    assert "at most four states a second" in text
    assert Conf.PROGRESS_KEEP_SECONDS == 3600
    assert "said nothing for an hour" in text
    assert 30 <= sum(celery.DATABASE_WAITS) <= 35
    assert "tries for half a minute" in text
    assert 600 <= sum(reporter.DATABASE_WAITS) <= 610
    assert "for ten minutes" in text
    assert reporter.STOP_SECONDS == 10
    assert "waits up to ten seconds" in text

"""Duties that fail, fail for ever, are cancelled by accident, or end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from catmaid_notify.utils import supervision
from catmaid_notify.utils.supervision import Supervisor
from tests.support.drivers import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_RETRY_SECONDS", 0.001)


class Duty:
    """A duty whose next turns end as told; what is told is used up, then its turns wait for `go`."""

    def __init__(self, *outcomes: BaseException | None) -> None:
        self.outcomes = list(outcomes)
        self.turns = 0
        self.go = asyncio.Event()

    async def __call__(self) -> None:
        self.turns += 1
        if not self.outcomes:
            await self.go.wait()
            self.go.clear()
            return
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome


@pytest.mark.parametrize("error", [ValueError("odd"), OSError("away"), asyncio.CancelledError()])
async def test_failure__the_duty_goes_on(error: BaseException, log: pytest.LogCaptureFixture) -> None:
    supervisor, duty = Supervisor(), Duty(error, None)
    supervisor.start("checking", duty)
    await until(lambda: duty.turns == 3)
    assert supervisor.failing == {}
    said = [record.getMessage() for record in log.records if record.levelno >= logging.INFO]
    assert said[0] == f"Duty failed, trying again: duty=checking reason={type(error).__name__}: {error}"
    assert said[1].startswith("Duty works again: duty=checking failures=1 seconds=")
    await supervisor.stop()


async def test_outage__is_logged_twice_and_named_meanwhile(
    log: pytest.LogCaptureFixture,
) -> None:
    supervisor, duty, other = Supervisor(), Duty(*[OSError("away")] * 50, None), Duty()
    supervisor.start("checking", duty, retry_seconds_max=0.002)
    supervisor.start("pinging", other)
    await until(lambda: duty.turns >= 20)
    assert supervisor.failing == {"checking": "OSError: away"}
    await until(lambda: duty.turns == 52)
    assert supervisor.failing == {}
    said = [record.getMessage() for record in log.records if record.levelno >= logging.INFO]
    assert len(said) == 2
    assert "failures=50" in said[1]
    assert other.turns == 1
    await supervisor.stop()


async def test_stop__ends_duties_also_in_a_pause(log: pytest.LogCaptureFixture) -> None:
    supervisor, duty, failing = Supervisor(), Duty(), Duty(*[OSError("away")] * 1000)
    supervisor.start("waiting", duty)
    supervisor.start("failing", failing)
    await until(lambda: failing.turns > 3)
    tasks = list(supervisor._tasks.values())
    await supervisor.stop()
    assert all(task.done() for task in tasks)


async def test_cancelled_task__is_noticed() -> None:
    supervisor = Supervisor()
    runs = [supervisor.are_running]
    supervisor.start("waiting", Duty())
    await asyncio.sleep(0)
    runs.append(supervisor.are_running)
    task = supervisor._tasks["waiting"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [*runs, supervisor.are_running] == [False, True, False]


def test_pause__doubles_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_RETRY_SECONDS", 0.5)
    assert [supervision._pause(count, 15) for count in (1, 2, 3, 5, 6, 10_000)] == [0.5, 1, 2, 8, 15, 15]

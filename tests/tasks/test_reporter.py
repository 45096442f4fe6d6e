"""The thread that tells users what a worker's main process has noticed."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from celery.signals import worker_shutdown
from django.db import InterfaceError, OperationalError

from catmaid_notify import push
from catmaid_notify.tasks import reporter
from catmaid_notify.tasks.reporter import tell_later, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nobody wait for a database."""
    assert sum(reporter.DATABASE_WAITS) >= 600  # a failover may take some minutes
    assert max(reporter.DATABASE_WAITS) < reporter.STOP_SECONDS  # it is tried once more before the end
    monkeypatch.setattr(reporter, "DATABASE_WAITS", (0.0, 0.0, 0.0))
    yield
    wait()


def raises(*errors: BaseException) -> Callable[[], None]:
    """Return what raises these one after another, and then nothing any more."""
    left = list(errors)

    def tell() -> None:
        if left:
            raise left.pop(0)

    return tell


def test_tell_later__is_another_threads_work() -> None:
    threads: list[int] = []
    gate = threading.Event()

    def tell() -> None:
        gate.wait(20)
        threads.append(threading.get_ident())

    tell_later("t", tell)  # returns, although the gate is closed
    assert not threads
    gate.set()
    wait()
    assert threads != [threading.get_ident()]
    assert len(threads) == 1


def test_tell_later__keeps_the_order() -> None:
    told: list[int] = []
    for number in range(100):
        tell_later(f"{number}", partial(told.append, number))
    wait()
    assert told == list(range(100))


def test_tell_later__one_after_another_also_when_all_was_told() -> None:
    told: list[str] = []
    for name in ("first", "second"):
        tell_later(name, partial(told.append, name))
        wait()
    assert told == ["first", "second"]


@pytest.mark.parametrize("error", [RuntimeError("a"), SystemExit(1)], ids=["error", "exit"])
def test_tell_later__error_is_logged_and_the_next_one_told(error: BaseException, log: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    tell_later("first", raises(error))
    tell_later("second", lambda: told.append("second"))
    wait()
    assert told == ["second"]
    assert "End of a task not reported: task=first" in log.text


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("away")], ids=["operational", "interface"])
def test_tell_later__database_that_is_away_is_asked_again(error: Exception, log: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    fails = raises(error, error, error)

    def tell() -> None:
        fails()
        told.append("t")

    tell_later("t", tell)
    wait()
    assert told == ["t"]
    assert "not reported" not in log.text


def test_tell_later__database_that_is_away_for_good_is_logged(log: pytest.LogCaptureFixture) -> None:
    tell_later("t", raises(*[OperationalError("away")] * 10))
    wait()
    assert "End of a task not reported: task=t" in log.text


def test_tell_later__without_a_thread_is_told_with_the_next_one(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        tell_later("first", lambda: told.append("first"))
    assert "could be started: task=first" in log.text
    tell_later("second", lambda: told.append("second"))
    wait()
    assert told == ["first", "second"]


def test_wait__for_a_bounded_time(log: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    tell_later("slow", lambda: gate.wait(20))
    tell_later("next", lambda: None)
    wait(0.01)
    gate.set()
    for task_id in ("slow", "next"):
        assert f"before the worker stopped: task={task_id}" in log.text


def test_worker_shutdown__waits_until_all_is_told_and_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    gate = threading.Event()
    monkeypatch.setattr(push, "flush", lambda: done.append("sent"))

    def tell() -> None:
        gate.wait(20)
        done.append("told")

    tell_later("t", tell)
    threading.Timer(0.05, gate.set).start()
    worker_shutdown.send(sender=None)
    assert done == ["told", "sent"]


def test_fork__what_the_parent_has_to_tell_is_not_the_childs(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    parents = reporter._teller
    tell_later("t", lambda: gate.wait(20))
    try:
        reporter._forget()  # as after a fork
        told: list[str] = []
        tell_later("own", lambda: told.append("own"))
        wait()
        assert told == ["own"]
    finally:
        gate.set()
        assert parents.wait(20) == []
        monkeypatch.setattr(reporter, "_teller", parents)

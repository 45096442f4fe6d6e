"""`UserTask`: tasks that run here, as Celery runs them in a worker process."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery import shared_task
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from catmaid_notify import push
from catmaid_notify.exceptions import BrokerUnavailable, InvalidMessage, UnknownUser, UserTaskError
from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.tasks import USER_HEADER, UserTask, throttle
from catmaid_notify.tasks import celery as tasks
from catmaid_notify.tasks.db_retry import while_database_is_away
from tests.celery_app import app
from tests.support.drivers import Pushes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "password of the database"


# -- Tasks of a site

inside: Callable[[UserTask], Any] = lambda task: None  # noqa: E731 - each test puts its own in place


@shared_task(base=UserTask, bind=True, name="site.export_neurons")
def work(self: UserTask, *args: Any, **kwargs: Any) -> Any:
    """Do what the test says."""
    return inside(self)


@shared_task(base=UserTask, bind=True, name="site.with_user_id")
def with_user_id(self: UserTask, neuron_id: int, user_id: int) -> Any:
    return inside(self)


@shared_task(base=UserTask, bind=True, name="site.with_options")
def with_options(self: UserTask, **options: Any) -> Any:
    return inside(self)


@shared_task(base=UserTask, name="site.unbound")
def unbound(user_id: int) -> int:
    return user_id


class Worded(UserTask):
    """A task with words of its own."""

    abstract = True

    def title(self, args: Any, kwargs: Any) -> str:
        return str(words["title"](args, kwargs))

    def success_message(self, result: Any, args: Any, kwargs: Any) -> Any:
        return words["success"](result, args, kwargs)

    def failure_message(self, exc: BaseException, args: Any, kwargs: Any) -> Any:
        return words["failure"](exc, args, kwargs)


words: dict[str, Callable[..., Any]] = {}


@shared_task(base=Worded, bind=True, name="site.worded")
def worded(self: UserTask, *args: Any, **kwargs: Any) -> Any:
    return inside(self)


class Titled(UserTask):
    """A task whose title alone is its own."""

    abstract = True

    def title(self, args: Any, kwargs: Any) -> str:
        title: str = words["title"](args, kwargs)
        return title


@shared_task(base=Titled, bind=True, name="site.titled")
def titled(self: UserTask, *args: Any, **kwargs: Any) -> Any:
    return inside(self)


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tasks do nothing, and nobody wait for a database."""
    global inside
    inside = lambda task: "result"  # noqa: E731
    words.clear()
    words.update(
        title=lambda _args, _kwargs: "Crop",
        success=lambda _result, _args, _kwargs: {"title": "Crop is done"},
        failure=lambda _exc, _args, _kwargs: {"title": "Crop is not done"},
    )
    assert 10 < sum(tasks.DATABASE_WAITS) < 60  # long enough for a restart, and no worker is held up for ever
    monkeypatch.setattr(tasks, "DATABASE_WAITS", (0.0, 0.0, 0.0))
    yield
    inside = lambda task: None  # noqa: E731


def does(action: Callable[[UserTask], Any]) -> None:
    global inside
    inside = action


def raises(error: BaseException) -> None:
    def fail(_task: UserTask) -> None:
        raise error

    does(fail)


def run(task: Any, user: Any, *args: Any, task_id: str | None = None, **kwargs: Any) -> Any:
    """Run a task as a worker does, its user in the header."""
    pk = getattr(user, "pk", user)
    return task.apply(args, kwargs, headers={USER_HEADER: pk}, task_id=task_id)


def only_message() -> Message:
    [stored] = Message.objects.all()
    return stored


# -- The user of an execution


def test_user_id__from_the_header(user: User) -> None:
    does(lambda task: task.user_id)
    assert run(work, user).get() == user.pk


def test_user_id__from_the_keyword_argument(user: User) -> None:
    does(lambda task: task.user_id)
    assert with_user_id.apply((5,), {"user_id": user.pk}).get() == user.pk


def test_user_id__from_the_positional_argument(user: User) -> None:
    does(lambda task: task.user_id)
    assert with_user_id.apply((5, user.pk)).get() == user.pk


@pytest.mark.parametrize("task", [work, with_options], ids=["kwargs", "options"])
def test_user_id__from_further_keyword_arguments(user: User, task: Any) -> None:
    does(lambda task: task.user_id)
    assert task.apply((), {"user_id": user.pk}).get() == user.pk


def test_user_id__of_a_task_that_is_not_bound(user: User) -> None:
    assert unbound.apply((user.pk,)).get() == user.pk
    assert only_message().user == user


def test_user_id__header_wins(user: User, other: User) -> None:
    does(lambda task: task.user_id)
    assert with_user_id.apply((5, other.pk), headers={USER_HEADER: user.pk}).get() == user.pk
    assert only_message().user == user


def test_user_id__is_each_executions_own(user: User, other: User) -> None:
    seen = []
    does(lambda task: seen.append(task.user_id))
    run(work, user)
    run(work, other)
    assert seen == [user.pk, other.pk]


def test_user_id__within_another_task(user: User, other: User) -> None:
    seen = []

    def outer(task: UserTask) -> None:
        seen.append(task.user_id)
        does(lambda inner: seen.append(inner.user_id))
        run(work, other)
        seen.append(task.user_id)

    does(outer)
    run(work, user)
    assert seen == [user.pk, other.pk, user.pk]


@pytest.mark.parametrize("form", ["instance", "pk"])
def test_delay_for__eager(user: User, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.conf, "task_always_eager", value=True)
    does(lambda task: (task.user_id, tuple(task.request.args), task.request.kwargs))
    result = work.delay_for(user if form == "instance" else user.pk, 1, a=2)
    assert result.get() == (user.pk, (1,), {"a": 2})
    assert only_message().user == user


def test_delay_for__key_that_json_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(UserTask, "apply_async", lambda _self, args, kwargs, **options: given.update(options))
    work.delay_for(uuid.UUID(int=7))
    assert json.dumps(given["headers"]) == json.dumps({USER_HEADER: "00000000-0000-0000-0000-000000000007"})


@pytest.mark.parametrize("nobody", [None, "nobody", "", [], 0, -1, 10**30])
def test_user__no_such_one_ends_the_task_before_any_work(
    user: User, nobody: Any, log: pytest.LogCaptureFixture
) -> None:
    worked: list[UserTask] = []
    does(worked.append)
    result = run(work, nobody)
    assert result.failed()
    assert isinstance(result.result, UnknownUser)
    assert not worked
    assert not Message.objects.exists()
    assert "Nobody to tell" in log.text


def test_user__missing_says_what_to_do() -> None:
    result = work.apply()
    assert isinstance(result.result, UnknownUser)
    assert "delay_for" in str(result.result)


def test_user__deleted_before_the_start(user: User, log: pytest.LogCaptureFixture) -> None:
    pk = user.pk
    user.delete()
    result = run(work, pk)
    assert isinstance(result.result, UnknownUser)
    assert "deleted" in str(result.result)
    assert not TaskProgress.objects.exists()


def test_user__deleted_meanwhile__success(user: User, log: pytest.LogCaptureFixture) -> None:
    def go_on(_task: UserTask) -> str:
        user.delete()
        return "result"

    does(go_on)
    result = run(work, user.pk)
    assert result.successful()  # the work was done
    assert not Message.objects.exists()
    assert not TaskProgress.objects.exists()
    assert "Nobody to tell" in log.text


def test_user__deleted_meanwhile__failure(user: User, log: pytest.LogCaptureFixture) -> None:
    def fail(_task: UserTask) -> None:
        user.delete()
        raise UserTaskError("no slice")

    does(fail)
    result = run(work, user.pk)
    assert isinstance(result.result, UserTaskError)
    assert "Nobody to tell" in log.text


def test_user__deleted_meanwhile__progress_is_no_error(user: User) -> None:
    def go_on(task: UserTask) -> str:
        user.delete()
        task.progress(2, 2, "last")
        return "result"

    does(go_on)
    assert run(work, user.pk).result == "result"


# -- Progress


def test_progress__running_task_is_shown_from_its_start(user: User, signed_in: Client) -> None:
    does(lambda _task: signed_in.get("/notify/unread").json()["tasks"])
    [shown] = run(work, user, task_id="t").get()
    assert (shown["id"], shown["title"], shown["state"], shown["done"]) == ("t", "Export neurons", "running", 0)


def test_progress__is_stored_and_sent(user: User, pushes: Pushes, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_PROGRESS_PER_SECOND = 1_000_000

    def go_on(task: UserTask) -> dict[str, Any]:
        task.progress(3, 64, "slice 3")
        return TaskProgress.objects.get().as_dict()

    does(go_on)
    stored = run(work, user, task_id="t").get()
    assert (stored["done"], stored["total"], stored["text"]) == (3, 64, "slice 3")
    assert pushes.events("task-progress")[1]["payload"] == stored
    assert set(pushes.groups) == {f"updates-{user.pk}"}


def test_progress__is_for_our_own_dialect_only(user: User, pushes: Pushes) -> None:
    run(work, user)
    for (_group, message), frame in zip(pushes, pushes.v1, strict=True):
        assert bool(message.get("data")) == (frame["event"] == "new-message")


def test_progress__first_report_is_not_held_back(user: User, pushes: Pushes) -> None:
    does(lambda task: task.progress(1, 100, "first"))
    run(work, user)
    assert [frame["payload"]["text"] for frame in pushes.events("task-progress")][:2] == ["", "first"]


class Clock:
    """Time as a test says it is, for the throttle of progress; its timers fire in the test's thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, Callable[[], None]]] = []
        clock = self

        class Timer:
            def __init__(self, seconds: float, function: Callable[[], None]) -> None:
                self._entry = (clock.now + seconds, function)

            def start(self) -> None:
                clock._timers.append(self._entry)

            def cancel(self) -> None:
                if self._entry in clock._timers:
                    clock._timers.remove(self._entry)

        monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(throttle, "threading", SimpleNamespace(Condition=threading.Condition, Timer=Timer))

    def go(self, seconds: float) -> None:
        self.now += seconds
        for entry in [entry for entry in self._timers if entry[0] <= self.now]:
            self._timers.remove(entry)
            entry[1]()


def test_progress__is_throttled(user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def go_on(task: UserTask) -> None:
        for step in range(1, 1001):
            clock.go(0.01)
            task.progress(step, 100_000)

    does(go_on)
    run(work, user)
    assert 38 <= len(pushes.events("task-progress")) <= 44  # 4 a second, 10 s long, start and end


def test_progress__held_back_calls_cost_no_statement(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.test.utils import CaptureQueriesContext

    Clock(monkeypatch)

    def go_on(task: UserTask) -> int:
        task.progress(1, 1000)
        with CaptureQueriesContext(connection) as queries:
            for step in range(2, 1000):
                task.progress(step, 1000)
        return len(queries)

    does(go_on)
    assert run(work, user).get() == 0


def test_progress__last_step_is_not_held_back(user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)

    def go_on(task: UserTask) -> Any:
        for step in range(1, 65):
            task.progress(step, 64)
        return TaskProgress.objects.get().done

    does(go_on)
    assert run(work, user).get() == 64


@pytest.mark.parametrize("total", [0, 10])
def test_progress__without_a_known_total_is_throttled_too(
    user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    Clock(monkeypatch)

    def go_on(task: UserTask) -> None:
        for step in range(1, 1001):
            task.progress(step, total, f"step {step}")

    does(go_on)
    run(work, user)
    assert len(pushes.events("task-progress")) < 20


def test_progress__latest_state_wins(user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def go_on(task: UserTask) -> Any:
        for step in (1, 2, 3):
            task.progress(step, 10, f"{step}")
        clock.go(1)  # and the task says nothing more
        return TaskProgress.objects.get().text

    does(go_on)
    assert run(work, user).get() == "3"
    assert [frame["payload"]["text"] for frame in pushes.events("task-progress")][:3] == ["", "1", "3"]


def test_progress__nothing_held_back_follows_the_end(
    user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)

    def go_on(task: UserTask) -> None:
        for step in (1, 2, 3):
            task.progress(step, 10)

    does(go_on)
    run(work, user)
    ended = len(pushes)
    clock.go(10)
    assert len(pushes) == ended
    assert not TaskProgress.objects.exists()


def test_progress__in_a_transaction_of_the_task_waits_for_nobody(user: User, settings: Settings) -> None:
    """What is held back is sent by another thread, whose connection must not wait for the task's own transaction."""
    settings.CATMAID_NOTIFY_PROGRESS_PER_SECOND = 50
    stuck = []

    def end_waiting() -> None:
        stuck.append(1)
        if connection.vendor == "postgresql":
            from django.db import connections

            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            connections.close_all()

    def go_on(task: UserTask) -> None:
        with transaction.atomic():
            Message.objects.create(user=user, title="the work of the task")
            for step in range(10):
                task.progress(step, 100, f"{step}")
                time.sleep(0.01)  # work that takes its time

    watchdog = threading.Timer(3, end_waiting)
    watchdog.start()
    does(go_on)
    run(work, user)
    watchdog.cancel()
    watchdog.join()
    assert not stuck


def test_progress__is_each_executions_own(user: User) -> None:
    def outer(task: UserTask) -> dict[str, float]:
        does(lambda inner: inner.progress(1, 2))
        task.progress(5, 6)
        run(work, user, task_id="inner")
        return {row.pk: row.done for row in TaskProgress.objects.all()}

    does(outer)
    assert run(work, user, task_id="outer").get() == {"outer": 5}


BAD_PROGRESS: dict[str, tuple[Any, ...]] = {
    "nan": (float("nan"), 10, "a"),
    "infinite total": (1, float("inf"), "a"),
    "infinite": (float("inf"), float("inf"), "a"),
    "nul": (1, 10, "a\0b"),
    "surrogate": (1, 10, "file \udc80"),
    "long text": (1, 10, "x" * 10_000),
    "number as text": (1, 10, 7),
    "none": (1, 10, None),
    "negative": (-1, -10, "a"),
    "beyond": (11, 10, "a"),
    "huge": (10**400, 10**400, "a"),
}


@pytest.mark.parametrize("values", BAD_PROGRESS.values(), ids=BAD_PROGRESS)
def test_progress__odd_values_break_nothing(user: User, signed_in: Client, values: tuple[Any, ...]) -> None:
    def go_on(task: UserTask) -> str:
        task.progress(*values)
        return signed_in.get("/notify/unread").text

    def refuse(constant: str) -> None:
        raise AssertionError(f"Browsers don't read {constant}.")

    does(go_on)
    answer = run(work, user).get()
    assert json.loads(answer, parse_constant=refuse)["tasks"]
    assert only_message().level == "success"


def test_progress__database_that_is_away_is_no_error(user: User, log: pytest.LogCaptureFixture) -> None:
    def go_on(task: UserTask) -> str:
        with connection.execute_wrapper(away(10)):
            task.progress(10, 10)
        return "result"

    does(go_on)
    assert run(work, user).get() == "result"
    assert "Progress not stored" in log.text


def test_progress__layer_that_fails_is_no_error(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_group: str, _message: dict[str, Any]) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(push, "transport", lambda: fails)
    does(lambda task: task.progress(1, 2))
    assert run(work, user).successful()


def test_progress__is_sent_before_the_end_of_a_transaction(user: User, pushes: Pushes) -> None:
    def go_on(task: UserTask) -> int:
        with transaction.atomic():
            task.progress(2, 2, "in a transaction")
            return len(pushes.events("task-progress"))

    does(go_on)
    assert run(work, user).get() == 2


@pytest.mark.parametrize("is_held_back", [False, True])
def test_progress__nothing_follows_an_end_from_outside(
    user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch, *, is_held_back: bool
) -> None:
    """Who revokes a task has told of its end while its process still works, or is about to notice."""
    clock = Clock(monkeypatch)

    def go_on(task: UserTask) -> None:
        task.progress(1, 10)
        if is_held_back:
            task.progress(2, 10)
        task.failed({USER_HEADER: user.pk}, "t", WorkerLostError(), (), {})
        task.progress(10, 10)
        clock.go(10)
        raise Ignore  # its process ends without any hook

    # Its end is noticed by another process, which knows nothing of this execution's progress.
    monkeypatch.setattr(UserTask, "_stop_progress", lambda _self: None)
    does(go_on)
    run(work, user, task_id="t")
    assert not TaskProgress.objects.exists()
    assert [frame["payload"]["state"] for frame in pushes.events("task-progress")] == ["running"] * 2 + ["failure"]


def test_progress__is_stored_where_the_start_could_not_be(user: User) -> None:
    def refuse(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT"):
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *rest)

    wrapper = connection.execute_wrapper(refuse)

    def go_on(task: UserTask) -> float:
        assert not TaskProgress.objects.exists()
        wrapper.__exit__(None, None, None)
        task.progress(10, 10)
        return TaskProgress.objects.get().done

    does(go_on)
    wrapper.__enter__()
    assert run(work, user).get() == 10


def test_progress__is_not_shown_for_ever(user: User, signed_in: Client) -> None:
    long_ago = timezone.now() - dt.timedelta(days=1)
    TaskProgress.objects.create(task_id="killed", user=user, title="Crop", updated=long_ago)
    assert signed_in.get("/notify/unread").json()["tasks"] == []


# -- The end


def test_end__success(user: User, pushes: Pushes) -> None:
    result = run(work, user, task_id="t")
    assert result.get() == "result"
    stored = only_message()
    assert (stored.user, stored.title, stored.level) == (user, "Export neurons is finished", "success")
    assert not TaskProgress.objects.exists()
    assert pushes.ids == [stored.pk]


def test_end__failure(user: User, pushes: Pushes) -> None:
    raises(UserTaskError("Slice 7 is missing."))
    result = run(work, user)
    assert result.failed()
    stored = only_message()
    assert (stored.title, stored.text) == ("Export neurons has failed", "Slice 7 is missing.")
    assert (stored.user, stored.level) == (user, "error")
    assert not TaskProgress.objects.exists()
    assert pushes.ids == [stored.pk]


@pytest.mark.parametrize("state", ["success", "failure"])
def test_end__is_pushed_as_progress_too(user: User, pushes: Pushes, state: str) -> None:
    def go_on(task: UserTask) -> None:
        task.progress(3, 64, "slice 3")
        if state == "failure":
            raise UserTaskError("no")

    does(go_on)
    run(work, user, task_id="t")
    last = pushes.events("task-progress")[-1]["payload"]
    assert (last["id"], last["state"], last["title"]) == ("t", state, "Export neurons")
    assert (last["done"], last["total"]) == ((64, 64) if state == "success" else (3, 64))


def test_end__of_a_task_that_never_reported_is_full(user: User, pushes: Pushes) -> None:
    run(work, user)
    last = pushes.events("task-progress")[-1]["payload"]
    assert last["done"] == last["total"] > 0


def test_end__state_is_gone_when_the_end_is_pushed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(_group: str, message: dict[str, Any]) -> None:
        seen.append((json.loads(message["v1"])["event"], TaskProgress.objects.count(), Message.objects.count()))

    monkeypatch.setattr(push, "transport", lambda: look)
    run(work, user)
    assert seen == [("task-progress", 1, 0), ("new-message", 0, 1), ("task-progress", 0, 1)]


def test_end__run_twice_with_the_same_id_tells_once(user: User, pushes: Pushes) -> None:
    for _ in range(2):
        run(work, user, task_id="t")
    assert pushes.ids == [only_message().pk]


def test_end__failed_twice_with_the_same_id_tells_once(user: User, pushes: Pushes) -> None:
    raises(UserTaskError("no"))
    for _ in range(2):
        run(work, user, task_id="t")
    assert pushes.ids == [only_message().pk]
    assert not TaskProgress.objects.exists()


def test_end__other_executions_tell_for_themselves(user: User) -> None:
    run(work, user)
    run(work, user)
    assert Message.objects.count() == 2


def test_end__same_id_of_two_users(user: User, other: User) -> None:
    run(work, user, task_id="t")
    run(work, other, task_id="t")
    assert set(Message.objects.values_list("user", flat=True)) == {user.pk, other.pk}


def test_end__long_id(user: User) -> None:
    run(work, user, task_id="x" * 250)
    assert only_message().user == user
    assert not TaskProgress.objects.exists()


def test_end__retried_task_tells_once_at_its_end(user: User) -> None:
    tries = []

    def fail_once(task: UserTask) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise task.retry(countdown=0)
        return "result"

    does(fail_once)
    assert run(work, user).get() == "result"
    assert only_message().level == "success"
    assert not TaskProgress.objects.exists()


def test_end__ignored_task_tells_nothing_and_leaves_no_bar(user: User, pushes: Pushes) -> None:
    def leave(task: UserTask) -> None:
        task.progress(3, 64)
        raise Ignore

    does(leave)
    run(work, user, task_id="t")
    assert not Message.objects.exists()
    assert not TaskProgress.objects.exists()
    last = pushes.events("task-progress")[-1]["payload"]
    assert (last["id"], last["state"], last["done"], last["total"]) == ("t", "success", 3, 64)


def test_end__ignored_task_of_a_user_who_is_gone(user: User, log: pytest.LogCaptureFixture) -> None:
    def leave(_task: UserTask) -> None:
        user.delete()
        raise Ignore

    does(leave)
    run(work, user.pk)
    assert not log.text


def test_end__database_away_while_a_task_is_ignored(user: User) -> None:
    wrapper = connection.execute_wrapper(away(2))

    def leave(_task: UserTask) -> None:
        wrapper.__enter__()
        raise Ignore

    does(leave)
    try:
        run(work, user)
    finally:
        wrapper.__exit__(None, None, None)
    assert not TaskProgress.objects.exists()


def test_end__replaced_task_is_not_over(user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in its place has the same id."""

    def send(_task: UserTask, _signature: Any) -> None:
        raise Ignore("Replaced by new task")

    monkeypatch.setattr(UserTask, "on_replace", send)  # as in a worker; here Celery would run it at once
    does(lambda task: task.replace(work.si()))
    run(work, user, task_id="t")
    assert not Message.objects.exists()
    assert TaskProgress.objects.get().pk == "t"
    assert {frame["payload"]["state"] for frame in pushes.events("task-progress")} == {"running"}


@pytest.mark.parametrize(
    ("requeue", "acks_late", "is_over"),
    [(False, False, True), (False, True, True), (True, True, False), (True, False, True)],
)
def test_end__rejected_task(
    user: User, monkeypatch: pytest.MonkeyPatch, *, requeue: bool, acks_late: bool, is_over: bool
) -> None:
    """Only a message that was not acknowledged before can be put back into its queue."""
    monkeypatch.setattr(app.tasks[work.name], "acks_late", acks_late)
    raises(Reject(SECRET, requeue=requeue))
    run(work, user)
    assert TaskProgress.objects.exists() != is_over
    assert [(stored.level, SECRET in stored.text) for stored in Message.objects.all()] == [("error", False)] * is_over


def test_end__in_a_transaction_that_is_rolled_back(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        run(work, user)
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    assert not pushes.ids


def test_end__layer_that_fails_is_no_error(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_group: str, _message: dict[str, Any]) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(push, "transport", lambda: fails)
    assert run(work, user).get() == "result"
    assert only_message().level == "success"


# -- What is said about failures


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        ValueError(SECRET),
        OSError(28, SECRET),
        OperationalError(SECRET),
        KeyError(SECRET),
        BrokerUnavailable(f"amqp://user:{SECRET}@broker refused"),
        InvalidMessage(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failure__text_of_other_errors_is_nobodys_business(user: User, error: Exception, pushes: Pushes) -> None:
    raises(error)
    assert run(work, user).failed()
    stored = only_message()
    assert stored.text
    for shown in (stored.title, stored.text, json.dumps(pushes.v1)):
        assert SECRET not in shown
        assert "Traceback" not in shown
        assert ".py" not in shown
        assert type(error).__name__ not in shown


def test_failure__text_is_not_taken_from_the_cause(user: User) -> None:
    def fail(_task: UserTask) -> None:
        try:
            raise RuntimeError(SECRET)
        except RuntimeError as error:
            raise UserTaskError("Slice 7 can't be read.") from error

    does(fail)
    run(work, user)
    assert only_message().text == "Slice 7 can't be read."


@pytest.mark.parametrize(
    "text",
    ["", "a\0b", "file \udc80", "x" * 100_000, "<b>", "🧠"],
    ids=["empty", "nul", "surrogate", "long", "html", "emoji"],
)
def test_failure__odd_text_for_people_still_tells(user: User, text: str) -> None:
    raises(UserTaskError(text))
    run(work, user)
    stored = only_message()
    assert stored.level == "error"
    assert stored.text


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(10), TimeLimitExceeded(10)], ids=["soft", "hard"])
def test_failure__time_limit(user: User, error: Exception) -> None:
    raises(error)
    run(work, user)
    assert "longer" in only_message().text


def test_failure__worker_that_was_killed(user: User) -> None:
    TaskProgress.objects.create(task_id="t", user=user, title="Crop", done=3, total=64)
    for _ in range(2):  # noticed twice
        work.failed({USER_HEADER: user.pk}, "t", WorkerLostError("signal 9 (SIGKILL)"), (), {})
    stored = only_message()
    assert stored.level == "error"
    assert "SIGKILL" not in stored.text
    assert not TaskProgress.objects.exists()


def test_failure__of_a_task_without_a_user_is_logged(log: pytest.LogCaptureFixture) -> None:
    work.failed(None, "t", WorkerLostError("signal 9"), (), {})
    assert "Nobody to tell" in log.text


# -- Words of the site


def test_words__of_the_site(user: User) -> None:
    words["success"] = lambda result, args, kwargs: {
        "title": f"{result} {args} {kwargs}",
        "text": "t",
        "action": "/crops/7/",
        "level": "warning",
    }
    run(worded, user, 1, a=2)
    stored = only_message()
    assert stored.title == "result (1,) {'a': 2}"
    assert (stored.text, stored.action, stored.level) == ("t", "/crops/7/", "warning")


def test_words__of_a_failure(user: User) -> None:
    raises(RuntimeError("a"))
    words["failure"] = lambda exc, _args, _kwargs: {"title": f"{type(exc).__name__}!"}
    run(worded, user)
    assert only_message().title == "RuntimeError!"


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_words__none_is_no_message(user: User, outcome: str, pushes: Pushes) -> None:
    if outcome == "failure":
        raises(RuntimeError("a"))
    words[outcome] = lambda *_: None
    run(worded, user)
    assert not Message.objects.exists()
    assert not TaskProgress.objects.exists()
    assert pushes.events("task-progress")[-1]["payload"]["state"] == outcome


def fail(*_args: Any) -> Any:
    raise RuntimeError(SECRET)


def ask_for_a_missing_table(*_args: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM no_such_table")


def swallow_a_database_error(*_args: Any) -> Any:
    try:
        ask_for_a_missing_table()
    except DatabaseError:
        pass
    raise RuntimeError(SECRET)


BAD_WORDS: dict[str, Callable[..., Any]] = {
    "raises": fail,
    "database error": ask_for_a_missing_table,
    "swallowed database error": swallow_a_database_error,
    "title missing": lambda *_: {"text": "a"},
    "unknown argument": lambda *_: {"title": "a", "colour": "red"},
    "bad action": lambda *_: {"title": "a", "action": "javascript:alert(1)"},
    "bad level": lambda *_: {"title": "a", "level": "loud"},
    "long title": lambda *_: {"title": "x" * 1000},
    "text": lambda *_: "finished",
    "list": lambda *_: ["finished"],
    "true": lambda *_: True,
    "key": lambda *_: {"title": "a", "key": "k"},
    "user": lambda *_: {"title": "a", "user": 1},
}


@pytest.mark.parametrize("outcome", ["success", "failure"])
@pytest.mark.parametrize("bad", BAD_WORDS.values(), ids=BAD_WORDS)
def test_words__that_can_not_be_used_give_the_default_ones(
    user: User, outcome: str, bad: Callable[..., Any], log: pytest.LogCaptureFixture
) -> None:
    if outcome == "failure":
        raises(UserTaskError("Slice 7 is missing."))
    words[outcome] = bad
    result = run(worded, user)
    assert result.successful() == (outcome == "success")
    stored = only_message()
    assert stored.title == ("Crop is finished" if outcome == "success" else "Crop has failed")
    assert SECRET not in stored.text
    assert "site.worded" in log.text


def test_words__overridden_by_a_base_exception_end_the_process_still(user: User) -> None:
    def interrupted(*_args: Any) -> None:
        raise KeyboardInterrupt

    words["success"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(worded, user)


BAD_TITLES: dict[str, Callable[..., Any]] = {
    "raises": fail,
    "database error": ask_for_a_missing_table,
    "empty": lambda *_: "",
    "long": lambda *_: "x" * 250,
    "longer": lambda *_: "x" * 10_000,
    "nul": lambda *_: "a\0b",
    "surrogate": lambda *_: "file \udc80",
    "none": lambda *_: None,
    "bytes": lambda *_: b"Crop",
}


@pytest.mark.parametrize("outcome", ["success", "failure"])
@pytest.mark.parametrize("bad", BAD_TITLES.values(), ids=BAD_TITLES)
def test_title__that_can_not_be_used_costs_no_task_and_no_message(
    user: User, outcome: str, bad: Callable[..., Any]
) -> None:
    worked = []

    def go_on(task: UserTask) -> str:
        task.progress(1, 1)
        worked.append(1)
        if outcome == "failure":
            raise UserTaskError("no")
        return "result"

    does(go_on)
    words["title"] = bad
    result = run(titled, user)
    assert worked
    assert result.successful() == (outcome == "success")
    assert only_message().level == ("success" if outcome == "success" else "error")


def test_title__default_is_made_of_the_name(user: User) -> None:
    assert work.title((), {}) == "Export neurons"


def test_title__of_the_site_is_in_progress_and_message(user: User, pushes: Pushes) -> None:
    words["title"] = lambda args, _kwargs: f"Crop of stack {args[0]}"
    run(titled, user, 5)
    assert {frame["payload"]["title"] for frame in pushes.events("task-progress")} == {"Crop of stack 5"}
    assert only_message().title == "Crop of stack 5 is finished"


def test_title__html_is_text(user: User, pushes: Pushes) -> None:
    words["title"] = lambda *_: "<b>Crop</b>"
    run(titled, user)
    [plain] = [frame for frame in pushes.plain if frame]
    assert plain["payload"]["message_title"] == "&lt;b&gt;Crop&lt;/b&gt; is finished"


# -- A database that is away


def away(times: int, error: type[Exception] = OperationalError) -> Callable[..., Any]:
    """Return a wrapper of statements that fails so often, as a connection to a server that restarts."""
    left = [times]

    def execute(run_it: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        if left[0] > 0:
            left[0] -= 1
            raise error("server closed the connection unexpectedly")
        return run_it(sql, params, many, context)

    return execute


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_database__away_while_the_end_is_stored(
    user: User, pushes: Pushes, outcome: str, times: int, error: type[Exception]
) -> None:
    wrapper = connection.execute_wrapper(away(times, error))

    def go_on(_task: UserTask) -> str:
        wrapper.__enter__()
        if outcome == "failure":
            raise UserTaskError("no")
        return "result"

    does(go_on)
    try:
        result = run(work, user)
    finally:
        wrapper.__exit__(None, None, None)
    assert result.successful() == (outcome == "success")
    assert pushes.ids == [only_message().pk]
    assert not TaskProgress.objects.exists()


def test_database__away_for_good_is_not_waited_for_for_ever(user: User) -> None:
    wrapper = connection.execute_wrapper(away(1_000_000))

    def go_on(_task: UserTask) -> str:
        wrapper.__enter__()
        return "result"

    does(go_on)
    try:
        with pytest.raises(OperationalError):
            run(work, user)
    finally:
        wrapper.__exit__(None, None, None)


def test_database__away_in_a_transaction_of_the_site_is_its_error(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again can't help there, and the site's transaction must not go on as if nothing had been."""
    calls = []

    def store() -> None:
        calls.append(1)
        raise OperationalError("server closed the connection unexpectedly")

    with transaction.atomic(), pytest.raises(OperationalError):
        while_database_is_away(store, tasks.DATABASE_WAITS)
    assert len(calls) == 1


# -- Words in the language of the site


def test_words__are_translatable(user: User) -> None:
    from django.utils import translation

    with translation.override("en"):
        run(work, user)
    assert only_message().title.endswith("is finished")

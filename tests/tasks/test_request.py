"""What a worker's main process says about a task whose own process can't."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import shared_task
from celery.backends.cache import CacheBackend
from celery.worker.request import Request
from django.db import connection

from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.tasks import USER_HEADER, UserTask, reporter
from catmaid_notify.tasks.request import UserRequest
from tests.celery_app import app

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from tests.support.drivers import Pushes

pytestmark = pytest.mark.django_db(transaction=True)

celery_57 = pytest.mark.skipif(
    not hasattr(Request, "_retry_worker_lost"), reason="Celery before 5.7 does less when a process is lost"
)


@shared_task(base=UserTask, bind=True, name="site.long_work")
def long_work(self: UserTask, stack: int, user_id: int | None = None) -> None:
    """Work that somebody ends from outside."""


def request_of(user: User, *, task: Any = long_work, task_id: str = "t", in_header: bool = True) -> UserRequest:
    """Return the request of an execution, as a worker makes it of a message."""
    args, kwargs = [5], ({} if in_header else {"user_id": user.pk})
    headers = {
        "id": task_id,
        "task": task.name,
        "lang": "py",
        "argsrepr": repr(args),
        "kwargsrepr": repr(kwargs),
        **({USER_HEADER: user.pk} if in_header else {}),
    }
    body = json.dumps([args, kwargs, {}])
    message = SimpleNamespace(
        headers=headers,
        body=body,
        payload=(args, kwargs, {}),
        delivery_info={},
        properties={},
        content_type="application/json",
        content_encoding="utf-8",
    )
    TaskProgress.objects.get_or_create(task_id=task_id, defaults={"user": user, "title": "Long work", "total": 64})
    return UserRequest(message, app=app, task=app.tasks[task.name], hostname="worker", on_reject=lambda *_: None)


def fails(request: UserRequest, error: BaseException, *, wrapped: bool = False) -> None:
    """Let the worker find that the execution has failed, and wait until its user is told, if that is to be."""
    request.on_failure(info_of(error, wrapped=wrapped))
    reporter.wait()


def times_out(request: UserRequest, *, soft: bool = False) -> None:
    """The same for a time limit."""
    request.on_timeout(soft=soft, timeout=10)
    reporter.wait()


def info_of(error: BaseException, *, wrapped: bool = False) -> ExceptionInfo:
    try:
        raise error
    except BaseException:  # noqa: BLE001 - any of them may end a process
        info = ExceptionInfo()
    if wrapped:
        info.exception = ExceptionWithTraceback(error, None)
    else:
        info.exception = error
    return info


def test_request__is_that_of_user_tasks() -> None:
    assert app.tasks[long_work.name].Request == "catmaid_notify.tasks.request:UserRequest"


@pytest.mark.parametrize("in_header", [True, False])
def test_on_timeout__hard_limit_is_told(user: User, pushes: Pushes, in_header: bool) -> None:  # noqa: FBT001
    times_out(request_of(user, in_header=in_header))
    stored = Message.objects.get()
    assert (stored.user, stored.level, stored.title) == (user, "error", "Long work has failed")
    assert "longer" in stored.text
    assert not TaskProgress.objects.exists()
    assert pushes.events("task-progress")[-1]["payload"]["state"] == "failure"


@pytest.mark.parametrize("in_header", [True, False])
def test_on_timeout__worker_itself_asks_no_database(
    user: User,
    in_header: bool,  # noqa: FBT001
    log: pytest.LogCaptureFixture,
) -> None:
    """It would wait for locks of the process that it is about to kill."""
    request = request_of(user, in_header=in_header)
    asked: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        request.on_timeout(soft=False, timeout=10)
    reporter.wait()
    assert Message.objects.get().level == "error"
    assert not asked
    assert "Nobody to tell" not in log.text


def test_on_timeout__soft_limit_is_the_tasks_own_business(user: User) -> None:
    times_out(request_of(user), soft=True)
    assert not Message.objects.exists()
    assert TaskProgress.objects.exists()


@pytest.mark.parametrize("wrapped", [True, False])
def test_on_failure__lost_process_is_told(user: User, wrapped: bool) -> None:  # noqa: FBT001
    fails(request_of(user), WorkerLostError("signal 9 (SIGKILL)"), wrapped=wrapped)
    stored = Message.objects.get()
    assert stored.level == "error"
    assert "SIGKILL" not in stored.text
    assert not TaskProgress.objects.exists()


def test_on_failure__lost_process_that_ran_into_the_limit_first_is_told_once(user: User, pushes: Pushes) -> None:
    request = request_of(user)
    times_out(request)
    fails(request, WorkerLostError("signal 9"))
    assert pushes.ids == [Message.objects.get().pk]


def test_on_failure__task_has_told_of_its_own_errors(user: User) -> None:
    fails(request_of(user), RuntimeError("a"))
    assert not Message.objects.exists()


def setting(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    """Give the task these attributes."""
    for name, value in values.items():
        monkeypatch.setattr(app.tasks[long_work.name], name, value, raising=False)


def test_on_failure__task_that_is_handed_out_again_is_not_over(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, acks_late=True, reject_on_worker_lost=True)
    fails(request_of(user), WorkerLostError("signal 9"))
    assert not Message.objects.exists()
    assert TaskProgress.objects.exists()


def test_on_failure__message_that_was_acknowledged_does_not_come_again(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, acks_late=True, reject_on_worker_lost=True)
    request = request_of(user)
    request.acknowledge()
    fails(request, WorkerLostError("signal 9"))
    assert Message.objects.get().level == "error"


def test_on_failure__of_a_task_that_is_late_to_acknowledge_only(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, acks_late=True)
    fails(request_of(user), WorkerLostError("signal 9"))
    assert Message.objects.get().level == "error"


@celery_57
@pytest.mark.parametrize("acks_late", [True, False])
def test_on_failure__of_a_task_that_the_worker_has_cancelled(
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    acks_late: bool,  # noqa: FBT001
) -> None:
    """As it does when it has lost the broker: messages that it can't acknowledge any more are handed out again."""
    setting(monkeypatch, acks_late=acks_late)
    request = request_of(user)
    request._already_cancelled = True
    if not acks_late:
        request.acknowledge()
    fails(request, SystemExit(1))
    assert Message.objects.exists() != acks_late


@pytest.mark.parametrize("acks_late", [True, False])
def test_on_timeout__task_that_is_handed_out_again_is_not_over(
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    acks_late: bool,  # noqa: FBT001
) -> None:
    """As late acknowledgement without one on failure has it."""
    setting(monkeypatch, acks_late=acks_late, acks_on_failure_or_timeout=False, acks_on_timeout=False)
    request = request_of(user)
    fails(request, TimeLimitExceeded(10))  # billiard reports both, this one first
    times_out(request)
    assert Message.objects.exists() != acks_late


@celery_57
def test_on_failure__lost_process_that_is_retried_is_not_over(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, retry_on_worker_lost=True)
    fails(request_of(user), WorkerLostError("signal 9"))
    assert not Message.objects.exists()
    assert TaskProgress.objects.exists()


@celery_57
def test_on_failure__lost_process_whose_retry_can_not_be_sent(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise ConnectionError("refused")

    setting(monkeypatch, retry_on_worker_lost=True, signature_from_request=refuse)
    fails(request_of(user), WorkerLostError("signal 9"))
    assert Message.objects.get().level == "error"


@celery_57
def test_on_failure__lost_process_that_was_retried_often_enough(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, acks_late=True, reject_on_worker_lost=True, retry_on_worker_lost=True, max_retries=0)
    fails(request_of(user), WorkerLostError("signal 9"))
    assert Message.objects.get().level == "error"
    assert not TaskProgress.objects.exists()


@celery_57
def test_on_failure__process_lost_after_its_success(
    user: User, monkeypatch: pytest.MonkeyPatch, pushes: Pushes
) -> None:
    """Celery takes it for a success where the result was stored, so its user gets the words of one."""
    results = CacheBackend(backend="memory", app=app)
    results.mark_as_done("t", {"neurons": 7})
    words: list[Any] = []

    def success_message(result: Any, _args: Any, _kwargs: Any) -> dict[str, str]:
        words.append(result)
        return {"title": "All is done"}

    setting(monkeypatch, backend=results, ignore_result=False, success_message=success_message)
    fails(request_of(user), WorkerLostError("signal 9"))
    assert Message.objects.get().title == "All is done"
    assert words == [{"neurons": 7}]
    assert not TaskProgress.objects.exists()
    assert pushes.events("task-progress")[-1]["payload"]["state"] == "success"


def test_on_failure__of_a_user_who_is_gone_is_no_error(user: User, log: pytest.LogCaptureFixture) -> None:
    request = request_of(user)
    user.delete()
    fails(request, WorkerLostError("signal 9"))
    assert "Nobody to tell" in log.text

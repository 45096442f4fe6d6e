"""What a worker's main process says about a task whose own process can't."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import WorkerLostError
from celery import shared_task
from django.db import connection

from catmaid_notify import task_background
from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.task_requests import UserRequest
from catmaid_notify.tasks import USER_HEADER, UserTask
from tests.celery_app import app

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from tests.unit.drivers import Pushes

pytestmark = pytest.mark.django_db(transaction=True)


@shared_task(base=UserTask, bind=True, name="site.long_work")
def long_work(self: UserTask, stack: int, user_id: int | None = None) -> None:
    """Work that somebody ends from outside."""


def request_of(user: User, *, task: Any = long_work, in_header: bool = True) -> UserRequest:
    """Return the request of an execution, as a worker makes it of a message."""
    args, kwargs = [5], ({} if in_header else {"user_id": user.pk})
    headers = {
        "id": "t",
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
    TaskProgress.objects.get_or_create(task_id="t", defaults={"user": user, "title": "Long work", "total": 64})
    return UserRequest(message, app=app, task=app.tasks[task.name], hostname="worker", on_reject=lambda *_: None)


def fails(request: UserRequest, error: BaseException, *, wrapped: bool = False) -> None:
    """Let the worker find that the execution has failed, and wait until its user is told, if that is to be."""
    request.on_failure(info_of(error, wrapped=wrapped))
    task_background.wait()


def times_out(request: UserRequest, *, soft: bool = False) -> None:
    """The same for a time limit."""
    request.on_timeout(soft=soft, timeout=10)
    task_background.wait()


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
    assert app.tasks[long_work.name].Request == "catmaid_notify.task_requests:UserRequest"


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
    task_background.wait()
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


def test_on_failure__task_that_runs_again_is_not_over(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    task = app.tasks[long_work.name]
    monkeypatch.setattr(task, "acks_late", True, raising=False)
    monkeypatch.setattr(task, "reject_on_worker_lost", True, raising=False)
    fails(request_of(user), WorkerLostError("signal 9"))
    assert not Message.objects.exists()


def test_on_failure__of_a_user_who_is_gone_is_no_error(user: User, log: pytest.LogCaptureFixture) -> None:
    request = request_of(user)
    user.delete()
    fails(request, WorkerLostError("signal 9"))
    assert "Nobody to tell" in log.text

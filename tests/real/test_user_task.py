"""`UserTask` in real worker processes: what ends a task from outside still reaches its user, once."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import site_maker
from tests.support import process
from tests.support.site import Site

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with Daphne and a worker."""
    with site_maker(tmp_path_factory)() as site:
        site.daphne()
        site.worker()
        yield site


def started(site: Site, socket: Any, user: Any, code: str) -> tuple[str, int]:
    """Start a task, wait until it runs, and return its id and the process that runs it."""
    socket.wait_for("hello", timeout=20)  # what comes before would be found by asking, which this client does not
    task_id = site.run(f"from tests.tasks import wait\nresult = {code}.id", user=user)
    while True:
        payload = socket.wait_for("task-progress", timeout=20)["payload"]
        if payload["id"] == task_id and (found := re.match(r"pid (\d+)", payload["text"])):
            return task_id, int(found[1])


def outcome(site: Site, socket: Any, user: Any) -> dict[str, Any]:
    """Return the message about the task's end; there is one, and no bar is left."""
    message: dict[str, Any] = socket.wait_for("new-message", timeout=40)["payload"]["message"]
    answer = site.fetch("/notify/unread", user).json
    assert [one["id"] for one in answer["messages"]] == [message["id"]]
    assert answer["tasks"] == []
    return message


@pytest.fixture
def ann(running: Site, request: pytest.FixtureRequest) -> Any:
    return running.user(f"ann-{request.node.name}"[:100])


def test_killed_worker_process(running: Site, ann: Any) -> None:
    with running.socket(ann) as socket:
        _, pid = started(running, socket, ann, "wait.delay_for(user, 600)")
        os.kill(pid, signal.SIGKILL)
        message = outcome(running, socket, ann)
        assert (message["level"], message["title"]) == ("error", "Wait has failed")
        assert "worker process was stopped" in message["text"]


def test_hard_time_limit(running: Site, ann: Any) -> None:
    with running.socket(ann) as socket:
        code = "wait.apply_async([600], headers={'catmaid_notify_user': user}, time_limit=3)"
        started(running, socket, ann, code)
        assert "longer than this site allows" in outcome(running, socket, ann)["text"]


def test_soft_time_limit(running: Site, ann: Any) -> None:
    with running.socket(ann) as socket:
        code = "wait.apply_async([600], headers={'catmaid_notify_user': user}, soft_time_limit=2)"
        started(running, socket, ann, code)
        assert "longer than this site allows" in outcome(running, socket, ann)["text"]


def test_revoked_while_it_runs(running: Site, ann: Any) -> None:
    with running.socket(ann) as socket:
        task_id, _ = started(running, socket, ann, "wait.delay_for(user, 600)")
        running.run("from tests.celery_app import app; app.control.revoke(task, terminate=True)", task=task_id)
        assert "cancelled" in outcome(running, socket, ann)["text"]


def test_expired_before_it_began(running: Site, ann: Any) -> None:
    with running.socket(ann) as socket:
        code = "wait.apply_async([1], headers={'catmaid_notify_user': user}, expires=-1)"
        running.run(f"from tests.tasks import wait\n{code}", user=ann)
        assert "started in time" in outcome(running, socket, ann)["text"]


def test_user_deleted_before_it_began(running: Site) -> None:
    bob = running.user("bob")
    code = """
from tests.tasks import wait
get_user_model().objects.get(pk=user).delete()
result = wait.delay_for(user, 600).id
"""
    task_id = running.run(code, user=bob)
    worker = next(one for one in process.running if one.name == "worker")
    worker.wait_for(rf"{task_id}\] raised unexpected: UnknownUser", timeout=20)

"""`UserTask` in real worker processes: what ends a task from outside still reaches its user, once."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import site_maker
from tests.support import postgresql
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
    task_id = site.run(f"from tests.tasks import wait, wait_in_transaction\nresult = {code}.id", user=user)
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


@pytest.mark.parametrize(
    "call",
    ["[600], headers={'catmaid_notify_user': user}", "[600], {'user_id': user}"],
    ids=["header", "argument"],
)
def test_hard_time_limit_while_the_progress_is_locked(running: Site, ann: Any, call: str) -> None:
    """The lock is that of a process which the worker's main process kills: nothing there may wait for it."""
    with running.socket(ann) as socket:
        started(running, socket, ann, f"wait_in_transaction.apply_async({call}, time_limit=3)")
        assert "longer than this site allows" in outcome(running, socket, ann)["text"]
        running.run("from tests.tasks import count; count.delay_for(user, 1)", user=ann)
        message = socket.wait_for("new-message", timeout=20)["payload"]["message"]
        assert message["title"] == "Count is finished"


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


@pytest.mark.parametrize(
    ("way", "state", "titles"),
    [
        ("ignore", "success", []),
        ("reject", "failure", ["Leave has failed"]),
        ("replace", "success", ["Count is finished"]),
    ],
)
def test_ends_for_which_celery_calls_no_hook(running: Site, ann: Any, way: str, state: str, titles: list[str]) -> None:
    with running.socket(ann) as socket:
        socket.wait_for("hello", timeout=20)
        running.run("from tests.tasks import leave; leave.delay_for(user, way)", user=ann, way=way)
        while (payload := socket.wait_for("task-progress", timeout=20)["payload"])["state"] == "running":
            pass
        assert payload["state"] == state
        answer = running.fetch("/notify/unread", ann).json
        assert [message["title"] for message in answer["messages"]] == titles
        assert answer["tasks"] == []


def test_expired_before_it_began(running: Site, ann: Any) -> None:
    with running.socket(ann) as socket:
        code = "wait.apply_async([1], headers={'catmaid_notify_user': user}, expires=-1)"
        running.run(f"from tests.tasks import wait\n{code}", user=ann)
        assert "started in time" in outcome(running, socket, ann)["text"]


@contextlib.contextmanager
def database_away(site: Site) -> Iterator[None]:
    """Cut all connections to the site's database, and refuse new ones."""
    postgresql.execute(f'ALTER DATABASE "{site.database}" ALLOW_CONNECTIONS false')
    postgresql.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{site.database}'")
    try:
        yield
    finally:
        postgresql.execute(f'ALTER DATABASE "{site.database}" ALLOW_CONNECTIONS true')


EXPIRED = """
from tests.tasks import wait
wait.apply_async([1], headers={'catmaid_notify_user': user}, expires=-1)
"""


def test_database_away_while_the_end_is_noticed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with site_maker(tmp_path_factory)() as site:
        site.daphne()
        worker = site.worker()
        ann = site.user("ann")
        with site.socket(ann) as socket:
            socket.wait_for("hello", timeout=20)
            with database_away(site):
                site.run(EXPIRED, user=ann)
                worker.wait_for("Message of a task's end not stored, trying again", timeout=20)
                # The worker goes on with what needs no database.
                site.run("from tests.tasks import send_through_layer; send_through_layer.delay('updates-0', 1)")
                worker.wait_for(r"Task tests\.tasks\.send_through_layer\[.*\] succeeded", timeout=20)
            message = socket.wait_for("new-message", timeout=40)["payload"]["message"]
            assert "started in time" in message["text"]


@pytest.mark.parametrize("pool", [pytest.param("solo", marks=pytest.mark.slow), "threads", "gevent"])
def test_other_pools(tmp_path_factory: pytest.TempPathFactory, pool: str) -> None:
    with site_maker(tmp_path_factory)() as site:
        site.daphne()
        worker = site.worker("worker", f"--pool={pool}")
        ann = site.user("ann")
        with site.socket(ann) as socket:
            socket.wait_for("hello", timeout=20)
            site.run(EXPIRED, user=ann)
            message = socket.wait_for("new-message", timeout=20)["payload"]["message"]
            assert "started in time" in message["text"]
            if pool == "gevent":  # the only one of them that has time limits
                code = "wait.apply_async([600], headers={'catmaid_notify_user': user}, time_limit=2)"
                site.run(f"from tests.tasks import wait; {code}", user=ann)
                message = socket.wait_for("new-message", timeout=20)["payload"]["message"]
                assert "longer than this site allows" in message["text"]
        assert "Traceback" not in worker.output


def test_warm_shutdown_waits_for_what_is_not_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    with site_maker(tmp_path_factory)() as site:
        worker = site.worker()
        ann = site.user("ann")
        with database_away(site):
            site.run(EXPIRED, user=ann)
            worker.wait_for("Message of a task's end not stored, trying again", timeout=20)
            worker.signal(signal.SIGTERM)
            worker.wait_for("Warm shutdown", timeout=20)
        assert worker.wait(timeout=40) == 0
        told = "SELECT text FROM catmaid_notify_message"
        assert [text for (text,) in postgresql.execute(told, site.database)] == [
            "It could not be started in time. Please start it again."
        ]


def test_user_deleted_before_it_began(running: Site) -> None:
    bob = running.user("bob")
    code = """
from tests.tasks import wait
get_user_model().objects.get(pk=user).delete()
result = wait.delay_for(user, 600).id
"""
    task_id = running.run(code, user=bob)
    worker = running.processes["worker"]
    worker.wait_for(rf"{task_id}\] raised unexpected: UnknownUser", timeout=20)

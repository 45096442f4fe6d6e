"""The site of real processes that other tests stand on: it starts, serves, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support import postgresql, process, rabbitmq
from tests.support.ports import listens
from tests.support.process import PYTHON, ProcessFailed

pytestmark = pytest.mark.real


def has_process(pid: int) -> bool:
    """Say whether there is such a process, one that has ended and that nobody has asked about left out."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.classic
def test_site__message_from_another_process_reaches_a_socket(site):
    site.daphne()
    ann = site.user("ann")
    with site.socket(ann) as socket:
        socket.wait_for("hello")
        site.run("api.notify_user(user, 'Hello')", user=ann)
        assert socket.wait_for("new-message")["payload"]["message_title"] == "Hello"


@pytest.mark.classic
def test_site__task_in_a_worker_reaches_a_socket(site):
    site.daphne()
    site.worker()
    ann = site.user("ann")
    with site.socket(ann) as socket:
        socket.wait_for("hello")
        site.run("from tests.tasks import count; count.delay_for(user, 3)", user=ann)
        assert socket.wait_for("task-progress")["payload"]["state"] == "running"
        assert socket.wait_for("new-message", timeout=20)["payload"]["message_title"] == "Count is finished"


def test_site__two_servers_behind_one_port(site):
    gunicorn, daphne = site.serve()
    ann = site.user("ann")
    site.run("api.notify_user(user, 'Hello')", user=ann)
    assert site.fetch("/notify/unread", ann).json["count"] == 1
    assert site.fetch("/notify/read", ann, method="POST", data={"all": True}).json["count"] == 0
    assert site.fetch("/channels/health/").json["database"] == "ok"
    daphne.stop()
    assert site.fetch("/channels/health/").status == 502
    assert site.fetch("/notify/unread", ann).status == 200
    site.daphne()
    assert site.fetch("/channels/health/").json["database"] == "ok"
    assert gunicorn.exit_code is None


def test_site__page_in_chromium(site, browser):
    site.serve()
    page = browser.page(site, site.user("ann"))
    assert page.locator("h1").inner_text() == "ann"


def test_site__nothing_is_left(make_site):
    with make_site() as site:
        name, vhost, port = site.database, site.vhost.name, site.daphne_port
        server, worker = site.daphne(), site.worker()
        assert listens(port)
    assert not listens(port)
    assert server.exit_code == worker.exit_code == -signal.SIGKILL
    assert not [one for one in process.running if one in (server, worker)]
    assert [vhost] not in [[line] for line in rabbitmq.rabbitmqctl("list_vhosts").splitlines()]
    assert not postgresql.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")


def test_site__nothing_is_left_after_a_failure(make_site):
    started = []

    def fail() -> None:
        with make_site(database="sqlite") as site:
            started.extend([site.daphne(), site.vhost.name])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    server, vhost = started
    assert server.exit_code is not None
    assert vhost not in rabbitmq.rabbitmqctl("list_vhosts").splitlines()


def test_process__children_end_with_it(start):
    code = "import signal, subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); signal.pause()"
    parent = start("parent", PYTHON, "-c", code)
    child = int(parent.wait_for(r"^\d+$"))
    parent.stop()
    while has_process(child):  # until the system has noted its end; the time-out of the test is the limit
        os.sched_yield()


def test_process__says_what_it_printed_when_it_fails(start):
    with pytest.raises(ProcessFailed, match=r"exit code 3\) ended before it listened on port 1\.(.|\n)*no such thing"):
        start("broken", PYTHON, "-c", "print('no such thing'); raise SystemExit(3)").wait_for_port(1)
    with pytest.raises(ProcessFailed, match="ended before it printed 'ready'"):
        start("broken again", PYTHON, "-c", "print('no such thing')").wait_for("ready")


def test_process__deaf_to_sigterm_is_killed_and_reported(start):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    deaf = start("deaf", PYTHON, "-c", code)
    deaf.wait_for("deaf")
    with pytest.raises(ProcessFailed, match=r"did not end in 0\.2 s after SIGTERM"):
        deaf.stop(timeout=0.2)
    assert deaf.exit_code == -signal.SIGKILL

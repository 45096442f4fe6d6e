"""supervisord runs a whole site from the files that `notify_config supervisor` prints, and cuts nothing off."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from catmaid_notify.layers import RabbitmqChannelLayer
from tests.deploy.kit import check_all, wait_until_served
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(240), pytest.mark.usefixtures("needs_nginx")]
slow = pytest.mark.slow


@pytest.mark.parametrize("wsgi", ["gunicorn", pytest.param("uwsgi", marks=slow)])
def test_site__runs_and_stops_without_cutting_anything_off(make_site, tmp_path, wsgi):
    with make_site(settings={"STATIC_ROOT": str(tmp_path)}) as site:
        site.manage("collectstatic", "--noinput", "--verbosity=0")
        check_life(site, {"asgi_processes": 2, "wsgi_server": wsgi, "static_root": tmp_path})


def check_life(site, options):
    site.nginx(site.config("nginx", **options))
    supervisor = site.supervisor(site.config("supervisor", **options))
    ann = check_all(site)
    programs = {program["name"]: program for program in supervisor.programs()}
    assert {program["group"] for program in programs.values()} == {"tests"}
    assert {program["statename"] for program in programs.values()} == {"RUNNING"}
    limits = Path(f"/proc/{programs['tests-asgi-0']['pid']}/limits").read_text()
    assert re.search(r"Max open files +20000 ", limits), "supervisord itself began with 1024"
    with site.socket(ann) as socket:
        socket.wait_for("hello")
        # A task that has begun is finished before its worker ends.
        site.run("from tests.tasks import wait; wait.delay_for(user, 3)", user=ann)
        socket.wait_for("task-progress", timeout=20)
        assert "tests-worker: stopped" in supervisor.ctl("stop", "tests:tests-worker")
        assert socket.wait_for("new-message")["payload"]["message_title"] == "Wait is finished"
        # And a request, before its web server does.
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(site.fetch, "/slow/?seconds=3", ann)
            assert socket.wait_for("new-message")["payload"]["message_title"] == "Slow has begun"
            assert "tests-wsgi: stopped" in supervisor.ctl("stop", "tests:tests-wsgi")
            assert answer.result().status == 200
        # Sockets are closed by a restart, and what was sent meanwhile waits in the inbox.
        supervisor.ctl("restart", "tests:*")
        assert socket.close_code() in (1001, 1006)
    wait_until_served(site)
    with site.socket(ann) as socket:
        socket.wait_for("hello")
    supervisor.ctl("shutdown")
    assert supervisor.process.wait() == 0


def test_site__what_is_killed_comes_back(site):
    site.nginx(site.config("nginx"))
    supervisor = site.supervisor(site.config("supervisor", celery=""))
    wait_until_served(site)
    before = {program["name"]: program["pid"] for program in supervisor.programs()}
    assert set(before) == {"tests-asgi-0", "tests-wsgi"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)  # its unix socket is left behind
    eventually(lambda: not {program["pid"] for program in supervisor.programs()} & {0, *before.values()}, timeout=30)
    check_all(site, worker=False)


def test_shared_socket__several_processes(site):
    """Each [fcgi-program] process finds the one socket as its file handle 0."""
    port = {"asgi_port": site.daphne_port}
    site.nginx(site.config("nginx", **port))
    text = site.config("supervisor", celery="")
    start, end = text.index("[program:tests-asgi]"), text.index("[program:tests-wsgi]")
    text = text[:start] + text[end:].replace("programs=tests-asgi,", "programs=")
    supervisor = site.supervisor(text + site.config("supervisor", "shared-socket.conf", asgi_processes=2, **port))
    supervisor.wait_until_running()
    check_all(site, worker=False)
    assert set(supervisor.states()) == {"tests-shared-0", "tests-shared-1", "tests-wsgi"}


@slow
def test_shared_socket__works_under_the_script_too(site):
    """`exec` is what hands the socket on."""
    script = site.folder / "daphne.sh"
    script.write_text(site.config("supervisor", "daphne.sh"))
    script.chmod(0o755)
    shared = site.config("supervisor", "shared-socket.conf", asgi_port=site.daphne_port)
    shared = re.sub("^command=.*", f"command={script} --fd 0", shared, flags=re.MULTILINE)
    site.supervisor(shared)
    site.port = site.daphne_port
    wait_until_served(site)


@slow
@pytest.mark.parametrize("wrong", ["program", "group", "background"])
def test_shared_socket__socket_operation_on_non_socket(site, wrong):
    """What an administrator sees who takes another kind of section, or loses the socket in a script."""
    text = site.config("supervisor", "shared-socket.conf", asgi_port=site.daphne_port)
    if wrong == "program":
        text = re.sub("^socket.*\n", "", text.replace("[fcgi-program:", "[program:"), flags=re.MULTILINE)
    elif wrong == "group":
        text += "[group:tests]\nprograms=tests-shared\n"
    else:
        text = re.sub("^command=(.*)", r"command=sh -c '\1 & wait'", text, flags=re.MULTILINE)
    site.supervisor(text)
    log = site.folder / "logs" / "tests-shared-0.log"
    eventually(lambda: log.exists() and "Socket operation on non-socket" in log.read_text(), timeout=30)


async def test_runworker(make_site):
    installed = {
        "ASGI_APPLICATION": "tests.layers.worker_asgi.application",
        "INSTALLED_APPS": [*settings.INSTALLED_APPS, "channels"],
    }
    with make_site(database="sqlite", settings=installed) as site:
        site.supervisor(site.config("supervisor", "runworker.conf"))
        layer = RabbitmqChannelLayer(host=site.vhost.url)
        try:
            reply_to = await layer.new_channel()
            await layer.send("jobs", {"type": "job", "n": 4, "reply_to": reply_to})
            async with asyncio.timeout(30):
                assert (await layer.receive(reply_to))["n"] == 8
        finally:
            await layer.close()

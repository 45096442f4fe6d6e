"""systemd's units: valid, hardened, and their commands end as the units promise. The proxies' tests run them, too."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.deploy.kit import run_units, units, values

pytestmark = pytest.mark.real
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")


def write(folder: Path, texts: dict[str, str]) -> list[str]:
    """Write the units into a folder, and return the paths of the services as systemd instantiates them."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [str(folder / name.replace("@.", "@0.")) for name in texts if name.endswith(".service")]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@needs_systemd
@pytest.mark.parametrize("wsgi", ["gunicorn", "uwsgi", "none"])
def test_units__are_valid(make_site, tmp_path, wsgi):
    with make_site(broker=False, database="sqlite") as site:
        services = write(tmp_path, units(site, user="www-data", wsgi_server=wsgi, asgi_processes=2))
        done = analyze("verify", "--man=no", *services, str(tmp_path / "tests.target"))
        # What else it says is about units of this machine.
        ours = [line for line in done.stderr.splitlines() if "tests" in line]
        assert not ours
        assert done.returncode == 0, done.stderr


@needs_systemd
def test_units__are_hardened(make_site, tmp_path):
    with make_site(broker=False, database="sqlite") as site:
        services = write(tmp_path, units(site, user="www-data"))
        for service in services:
            done = analyze("security", "--offline=yes", "--json=short", "--threshold=35", service)
            assert done.returncode == 0, f"{service}: exposure above 3.5 of 10: {exposed(done.stdout)}"


def exposed(report: str) -> list[str]:
    """Return what a report of `systemd-analyze security` holds against a unit."""
    return [row["name"] for row in json.loads(report) if not row.get("set")] if report.startswith("[") else [report]


def test_target__wants_what_there_is(make_site):
    with make_site(broker=False, database="sqlite") as site:
        texts = units(site, asgi_processes=3)
        (wanted,) = values(texts["tests.target"], "Wants")
        asgi = [f"tests-asgi@{number}.service" for number in range(3)]
        assert wanted.split() == [*asgi, "tests-wsgi.service", "tests-worker.service", "tests-beat.service"]
        assert all("PartOf=tests.target" in text for name, text in texts.items() if name != "tests.target")
        assert all(values(text, "Restart") == ["always"] for name, text in texts.items() if name != "tests.target")


@pytest.mark.parametrize("wsgi", ["gunicorn", "uwsgi"])
def test_wsgi__tells_when_it_is_ready(make_site, wsgi):
    """Type=notify waits for this."""
    with make_site(broker=False, database="sqlite") as site, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        path = site.folder / "notify.sock"
        ready.bind(str(path))
        ready.settimeout(30)
        site.env["NOTIFY_SOCKET"] = str(path)
        run_units(site, parts=("wsgi",), wsgi_server=wsgi)
        said = b""
        while b"READY=1" not in said:
            said += ready.recv(4096)


def test_worker__finishes_its_task_after_sigterm(site):
    """KillMode=mixed: the signal goes to the main process alone."""
    site.daphne()
    started = run_units(site, parts=("worker", "beat"))
    ann = site.user("ann")
    with site.socket(ann) as client:
        client.wait_for("hello")
        site.run("from tests.tasks import wait; wait.delay_for(user, 3)", user=ann)
        client.wait_for("task-progress", timeout=40)
        started["worker"].signal(signal.SIGTERM)
        assert client.wait_for("new-message", timeout=20)["payload"]["message_title"] == "Wait is finished"
        assert started["worker"].wait() == 0
    started["beat"].wait_for("beat: Starting", timeout=30)
    assert started["beat"].stop() == 0
    assert re.search("celerybeat", " ".join(path.name for path in site.folder.iterdir()))

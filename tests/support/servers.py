"""Proxies and supervisord with files that `manage.py notify_config` prints; see the methods of `Site`.

The main configuration files around them do what Debian's nginx.conf, apache2.conf and supervisord.conf do, but keep
everything in the site's folder and need no root rights.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xmlrpc.client import ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from tests.support import process
from tests.support.environment import PROGRAMS
from tests.support.process import PYTHON, Process
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

APACHE_MODULES = Path("/usr/lib/apache2/modules")
AS_ROOT = os.geteuid() == 0


def nginx_conf(folder: Path, text: str, *, main: str = "") -> str:
    """Return an nginx.conf that includes ``text`` in its http block; ``main`` is for the main context."""
    events = "" if "events {" in main else "events { worker_connections 256; }"
    scratch = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "uwsgi", "fastcgi", "scgi")
    )
    return f"""\
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 2;
{"user root;" if AS_ROOT else ""}
{main}
{events}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    {scratch}
{text}
}}
"""


def nginx(folder: Path, text: str, *, main: str = "", port: int) -> Process:
    """Start nginx with ``text`` in its http block, and return when it listens."""
    shutil.copy("/etc/nginx/uwsgi_params", folder)
    conf = folder / "nginx.conf"
    conf.write_text(nginx_conf(folder, text, main=main))
    server = Process("nginx", [PROGRAMS["nginx"], "-e", "stderr", "-p", folder, "-c", conf], folder=folder, env={})
    server.wait_for_port(port)
    return server


def apache(folder: Path, text: str, *, modules: tuple[str, ...], port: int) -> Process:
    """Start Apache with ``text`` in its server config and those modules, and return when it listens."""
    always = ("mpm_event", "authz_core", "alias", "mime")
    loaded = "\n".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in (*always, *modules))
    conf = folder / "apache2.conf"
    conf.write_text(f"""\
ServerName 127.0.0.1
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache2.pid
ErrorLog {folder}/apache2-error.log
Listen 127.0.0.1:{port}
TypesConfig /etc/mime.types
{loaded}
{text}
""")
    server = Process("apache2", [PROGRAMS["apache"], "-D", "FOREGROUND", "-f", conf], folder=folder, env={})
    server.wait_for_port(port)
    return server


class Supervisor:
    """A supervisord of the test, with the programs of one file."""

    def __init__(self, folder: Path, text: str, *, env: Mapping[str, str], handles: int) -> None:
        self._folder = folder
        self._conf = folder / "supervisord.conf"
        self._conf.write_text(
            textwrap.dedent(f"""\
                [supervisord]
                logfile={folder}/supervisord.log
                pidfile={folder}/supervisord.pid
                [unix_http_server]
                file={folder}/supervisor.sock
                [rpcinterface:supervisor]
                supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
                [supervisorctl]
                serverurl=unix://{folder}/supervisor.sock
                [include]
                files={folder}/supervisor.d/*.conf
                """)
        )
        (folder / "supervisor.d").mkdir(exist_ok=True)
        (folder / "supervisor.d" / "site.conf").write_text(text)
        limited: list[str | Path] = ["sh", "-c", f'ulimit -Sn {handles}; exec "$@"', "sh"]
        command = [*limited, PYTHON, "-m", "supervisor.supervisord", "--nodaemon", "-c", self._conf]
        self.process = Process("supervisord", command, folder=folder, env=env)
        self.process.wait_for("supervisord started with pid")

    def ctl(self, *arguments: str, timeout: float = 60) -> str:
        """Run supervisorctl and return its output."""
        done = subprocess.run(
            [PYTHON, "-m", "supervisor.supervisorctl", "-c", self._conf, *arguments],
            env=process.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return done.stdout + done.stderr

    def programs(self) -> list[dict[str, Any]]:
        """Return supervisord's data about its programs: ``name``, ``statename``, ``pid`` (0 for none) and more."""
        transport = SupervisorTransport(None, None, f"unix://{self._folder}/supervisor.sock")
        with ServerProxy("http://localhost", transport=transport) as server:
            answer: Any = server.supervisor.getAllProcessInfo()
        return list(answer)

    def states(self) -> dict[str, str]:
        """Return the state of each program by its name, such as RUNNING."""
        return {program["name"]: program["statename"] for program in self.programs()}

    def wait_until_running(self, *, timeout: float = 40) -> None:
        """Wait until all programs run."""
        eventually(lambda: set(self.states().values()) == {"RUNNING"}, timeout=timeout)

    def kill(self) -> None:
        """Kill supervisord and all its programs."""
        if self.process.exit_code is not None:
            return
        groups = [program["pid"] for program in self.programs() if program["pid"]]
        self.process.kill()
        for group in groups:  # each program leads a process group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

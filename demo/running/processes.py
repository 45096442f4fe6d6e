"""Demo with RabbitMQ: Daphne and a Celery worker as separate processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from demo.conf import conf
from demo.running.orphans import end_with_parent

ROOT: Final = Path(__file__).resolve().parent.parent.parent

WARM_SECONDS: Final = 1.5
"""Seconds for which the worker may finish its tasks. Then it drops them, and the broker keeps them."""
WATCH_SECONDS: Final = 0.2
"""Seconds between two checks that the processes are alive."""
COLD_SECONDS: Final = 2.0
"""Seconds in which the worker must drop its tasks. Then everything that is left is killed."""


def serve(listener: socket.socket, *, ready: Callable[[], None], hosts: Sequence[str]) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, and return the exit code: 0, or 1 if a process ended by itself."""
    host, port = listener.getsockname()[:2]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demo.settings",
        # Resolved paths: relative ones refer to the folder in which the demo was started.
        "DEMO_VAR": str(conf.VAR),
        "DEMO_HOSTS": ",".join(hosts),
    }
    if conf.STACKS:
        environment["DEMO_STACKS"] = str(conf.STACKS)
    number = listener.fileno()
    web = [sys.executable, "-m", "daphne", "--fd", str(number), "-v", "0", "--application-close-timeout", "2"]
    worker = [sys.executable, "-m", "celery", "-q", "-A", "demo.celery", "worker", "--loglevel", "warning", "-c", "2"]
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _stop)
    processes: list[_Process] = []
    try:
        processes.append(_Process("web server", [*web, "demo.asgi:application"], environment, pass_fds=[number]))
        listener.close()  # otherwise, without the web server, the port would accept connections and never answer
        processes.append(_Process("worker", worker, environment))
        _wait_until_it_answers(host, port)
        if not _dead(processes):
            ready()
            while not _dead(processes):
                time.sleep(WATCH_SECONDS)
        return 1
    except _Stop:
        return 0
    finally:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        _end(processes)


class _Stop(BaseException):
    """A signal asks this process to end."""


def _stop(signum: int, frame: FrameType | None) -> None:
    raise _Stop


class _Process:
    """A child in its own session. Ctrl-C in the terminal reaches only this process, which ends the child in order."""

    def __init__(
        self, name: str, command: Sequence[str], environment: dict[str, str], pass_fds: Sequence[int] = ()
    ) -> None:
        self.name = name
        self.popen = subprocess.Popen(  # noqa: S603  the command is put together above
            command,
            cwd=ROOT,
            env=environment,
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )

    def signal(self, number: int) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def ended_within(self, seconds: float) -> bool:
        try:
            self.popen.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill_group(self) -> None:
        """Kill what is left of the session: the process itself, and children that outlived it."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _wait_until_it_answers(host: str, port: int) -> None:
    """Wait for the first answer. The listening socket exists already, so the request waits as well."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not listened on
    netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    request = urllib.request.Request(f"http://{netloc}/login/", headers={"Host": f"localhost:{port}"})
    try:
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310  the scheme is http
    except OSError:
        pass  # the caller finds out whether the process has ended


def _dead(processes: Sequence[_Process]) -> bool:
    """Return true if one of the processes has ended, and print which one."""
    for process in processes:
        code = process.popen.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            print(f"The {process.name} {how}, so the demo ends.", file=sys.stderr, flush=True)
            return True
    return False


def _end(processes: Sequence[_Process]) -> None:
    """End all processes within WARM_SECONDS + COLD_SECONDS."""
    start = time.monotonic()
    for process in processes:
        process.signal(signal.SIGTERM)
    for process in processes:
        process.ended_within(start + WARM_SECONDS - time.monotonic())
    for process in processes:
        process.signal(signal.SIGQUIT)
    for process in processes:
        process.ended_within(start + WARM_SECONDS + COLD_SECONDS - time.monotonic())
    for process in processes:
        process.kill_group()
        process.ended_within(1)

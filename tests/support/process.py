"""Processes that tests start: their output is kept, and they and their children are ended by id."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ports import listens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
NOT_INHERITED = ("AMQP_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "TEST_DATABASE")
"""Variables by which somebody who runs the tests could point their processes at other servers."""

running: list[Process] = []
"""All that have been started and not yet stopped, oldest first; a failing test prints what they said last."""


def sigterm_is_ctrl_c() -> None:
    """Have SIGTERM raise KeyboardInterrupt in this process: pytest then ends what its fixtures have started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def environment() -> dict[str, str]:
    """Return the environment that processes inherit."""
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}


def run_script(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python script that may import the project, and return how it ended; it has a minute."""
    script = folder / "script.py"
    script.write_text(text)
    env = {**environment(), "PYTHONPATH": str(ROOT)}
    command: list[str | Path] = [PYTHON, script, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


class ProcessFailed(AssertionError):
    """A process ended, or did not get ready, when it should have; the text holds the end of its output."""


class Process:
    """A command that runs beside the test, the leader of a process group of its own.

    Its output goes to ``<folder>/<name>.log``, and can be waited for line by line.
    """

    def __init__(self, name: str, command: Sequence[str | Path], *, folder: Path, env: Mapping[str, str]) -> None:
        """Start the command in the project's root, with ``env`` on top of the environment of the tests."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._lines: list[str] = []
        self._more = threading.Condition()
        self._ended = False
        self._popen = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**environment(), "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # one process group, so that its children can be ended with it
        )
        self._reader = threading.Thread(target=self._read, name=f"output of {name}", daemon=True)
        self._reader.start()
        running.append(self)

    def __repr__(self) -> str:
        return f"<Process {self.name} pid={self.pid} exit={self.exit_code}>"

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self.log.open("a") as log, self._popen.stdout as output:
            for line in output:
                log.write(line)
                log.flush()
                with self._more:
                    self._lines.append(line)
                    self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        with self._more:
            return "".join(self._lines)

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of its output."""
        with self._more:
            return "".join(self._lines[-lines:])

    def _failed(self, what: str) -> ProcessFailed:
        return ProcessFailed(
            f"{self.name} (pid {self.pid}, exit code {self.exit_code}) {what}. It said:\n{self.tail()}"
        )

    def wait_for(self, pattern: str, *, timeout: float = 20, after: int = 0) -> str:
        """Return the first line that matches, waiting up to ``timeout`` seconds for it.

        ``after`` is a number of lines to leave out (``len(process.output.splitlines())`` before the deed).
        """
        regex, deadline = re.compile(pattern), time.monotonic() + timeout
        with self._more:
            seen = after
            while True:
                while seen < len(self._lines):
                    if regex.search(self._lines[seen]):
                        return self._lines[seen]
                    seen += 1
                if self._ended:
                    raise self._failed(f"ended before it printed {pattern!r}")
                if not self._more.wait(deadline - time.monotonic()) and seen == len(self._lines):
                    raise self._failed(f"did not print {pattern!r} in {timeout} s")

    def wait_for_port(self, port: int, *, timeout: float = 20) -> None:
        """Return as soon as the process accepts connections on that port of 127.0.0.1."""
        deadline = time.monotonic() + timeout
        while not listens(port):
            # Waiting for the end of the process is what tells early that it will never listen.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(0.05)
                self._reader.join(5)  # what it said last may still be on its way
                raise self._failed(f"ended before it listened on port {port}")
            if time.monotonic() > deadline:
                raise self._failed(f"did not listen on port {port} in {timeout} s")

    def wait(self, *, timeout: float = 20) -> int:
        """Return its exit code when it has ended by itself."""
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._failed(f"did not end in {timeout} s") from None
        self._reader.join(5)
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to its children."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """End it and its children at once, as a crash of the machine would: nothing is flushed or said goodbye to."""
        self._kill_group()
        self._popen.wait()
        self._gone()

    def stop(self, *, timeout: float = 10) -> int:
        """Ask it to end (SIGTERM), and return its exit code; what hasn't ended after ``timeout`` seconds is killed.

        Raises ProcessFailed when it had to be killed.
        """
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failed(f"did not end in {timeout} s after SIGTERM") from None
        self._kill_group()  # children that outlived it
        self._gone()
        return code

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _gone(self) -> None:
        self._reader.join(5)
        if self in running:
            running.remove(self)


@contextlib.contextmanager
def all_stopped() -> Iterator[None]:
    """End, newest first, every process that is started inside and still runs at the end."""
    before = list(running)
    try:
        yield
    finally:
        for process in reversed([started for started in running if started not in before]):
            process.kill()

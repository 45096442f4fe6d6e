"""A RabbitMQ node of the test's own, from the installed package: for tests that stop, block or kill a broker.

Nothing of the machine's own node is touched: name, ports, folders and cookie are the test's. Its guest user may connect
from this machine, as everywhere.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import free_port, listens

BIN = Path(os.environ.get("RABBITMQ_BIN", "/usr/lib/rabbitmq/bin"))
START_SECONDS = 60


def missing() -> str:
    """Say why no node can be started; an empty string if one can."""
    return "" if (BIN / "rabbitmq-server").exists() else f"no rabbitmq-server in {BIN}"


class Broker:
    """One node. `start` may be called again after `stop` or `kill`; its data stays."""

    def __init__(self, folder: Path, *, config: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._name = f"test{secrets.token_hex(4)}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{self.port}\n{config}\n")
        (folder / "enabled_plugins").write_text("[].\n")
        self._env = {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_ERLANG_COOKIE": "tests",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # Small: several nodes share two cores.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

    def start(self) -> None:
        """Start the node, and return when it takes connections."""
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [BIN / "rabbitmq-server"], env=self._env, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not listens(self.port, "127.0.0.1"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start:\n{(self.folder / 'output.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on this node and return what it prints."""
        command = [BIN / "rabbitmqctl", "-q", *arguments]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=90, check=False)
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def stop(self) -> None:
        """End the node as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            # The whole session: the script, the Erlang VM and its helpers, all started by `start`.
            os.killpg(self._process.pid, number)
            self._process.wait(60)
        self._process = None


@contextlib.contextmanager
def broker(folder: Path, *, config: str = "") -> Iterator[Broker]:
    """Start a node, and end it afterwards."""
    made = Broker(folder, config=config)
    try:
        made.start()
        yield made
    finally:
        made.kill()

"""Separate RabbitMQ nodes for tests that stop, block or kill a broker, alone or as a cluster.

The machine's own node is not touched: names, ports, folders, cookie and epmd belong to the test. Everything listens on
127.0.0.1 only, from where the guest user may connect.

The nodes are of the installed package, or of another Debian system below the folder that ``TEST_BROKER_ROOT`` names,
as `make test-brokers` uses it for other versions. ``TEST_BROKER_CONFIG`` holds further lines of rabbitmq.conf.
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

ROOT = Path(os.environ.get("TEST_BROKER_ROOT", "/"))
BIN = Path(os.environ.get("RABBITMQ_BIN", "/usr/lib/rabbitmq/bin"))
CONFIG = os.environ.get("TEST_BROKER_CONFIG", "")
INSIDE = Path("/srv")
"""Folder of a node, as it is seen in a system below another root."""
IN_ROOT = 'mount -t proc proc "$1/proc" && mount --bind "$2" "$1$3" && root=$1 && shift 3 && exec chroot "$root" "$@"'
START_SECONDS = 60
VHOSTS_AT_ONCE = 8
"""Concurrent calls of rabbitmqctl. Each starts an Erlang VM, which takes longer than creating a vhost."""


def chosen() -> bool:
    """Return true if all tests shall use another broker than the machine's."""
    return ROOT.parent != ROOT


def missing() -> str:
    """Return the reason why no node can be started; an empty string if one can."""
    if chosen() and os.geteuid() != 0:
        return f"only root can start a node below {ROOT}"
    return "" if (ROOT / BIN.relative_to("/") / "rabbitmq-server").exists() else f"no rabbitmq-server in {ROOT}{BIN}"


def _command(folder: Path, *command: str | Path) -> list[str | Path]:
    """Return the prefix of commands for a node with that folder, in the system where the broker is installed."""
    if not chosen():
        return list(command)
    # The mounts are in a namespace of the process: no other process sees them, and they end with it.
    return ["unshare", "--mount", "sh", "-euc", IN_ROOT, "sh", ROOT, folder, INSIDE, *command]


@contextlib.contextmanager
def _epmd(folder: Path) -> Iterator[int]:
    """Run an epmd, by which Erlang nodes find each other, and yield its port.

    Erlang would start one by itself, and leave it running.
    """
    port = free_port()
    command = _command(folder, "epmd", "-address", "127.0.0.1", "-port", str(port))
    with (folder / "epmd.log").open("wb") as output:
        started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_for_port(port, started, "epmd did not start")
        yield port
    finally:
        started.kill()
        started.wait()


def _wait_for_port(port: int, process: subprocess.Popen[bytes], failure: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not listens(port, "127.0.0.1"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(failure)
        time.sleep(0.1)


class Broker:
    """One node. `start` may be called again after `stop` or `kill`; the data stays."""

    def __init__(self, folder: Path, *, epmd_port: int, config: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.name = f"test{secrets.token_hex(4)}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        self._vhosts: list[str] = []
        listener = f"listeners.tcp.local = 127.0.0.1:{self.port}"
        (folder / "rabbitmq.conf").write_text(f"{listener}\n{CONFIG}\n{config}\n")
        (folder / "enabled_plugins").write_text("[].\n")
        cookie = folder / ".erlang.cookie"
        cookie.write_text("tests")
        cookie.chmod(0o400)
        home = INSIDE if chosen() else folder
        self._env = {
            **os.environ,
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # Small limits: several nodes share two cores.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        }

    @property
    def runs(self) -> bool:
        """True if the node was started and has not ended since."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the script that has started the Erlang VM.

        Raises:
            RuntimeError: the node does not run.
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run; call start() first.")
        return self._process.pid

    def start(self) -> None:
        """Start the node, and return when it accepts connections."""
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                _command(self.folder, BIN / "rabbitmq-server"),
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            _wait_for_port(self.port, self._process, "RabbitMQ did not start")
        except RuntimeError as error:
            said = (self.folder / "output.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{error}:\n{said}") from None

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on this node and return its output."""
        command = _command(self.folder, BIN / "rabbitmqctl", "-q", *arguments)
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=90, check=False)
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def vhost(self) -> str:
        """Return the name of an unused vhost, with all rights for guest. The vhost ends with the node."""
        if not self._vhosts:
            self._vhosts = [f"v{secrets.token_hex(4)}" for _ in range(VHOSTS_AT_ONCE)]
            names = ", ".join(f'<<"{name}">>' for name in self._vhosts)
            rights = ", ".join(['<<"guest">>', "V", *['<<".*">>'] * 3, '<<"tests">>'])
            make = f'rabbit_vhost:add(V, <<"tests">>), rabbit_auth_backend_internal:set_permissions({rights})'
            self.ctl("eval", f"[begin {make} end || V <- [{names}]].")
        return self._vhosts.pop()

    def stop(self) -> None:
        """Stop the node with SIGTERM, as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the node, as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        # The whole session, which `start` has created: script, Erlang VM and its helpers. The script ends first.
        os.killpg(process.pid, number)
        process.wait(60)
        deadline = time.monotonic() + 60
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(process.pid, 0)
                time.sleep(0.05)
            raise RuntimeError(f"RabbitMQ did not end, kill it by hand: pid={process.pid}")


@contextlib.contextmanager
def broker(folder: Path, *, config: str = "") -> Iterator[Broker]:
    """Start a node; it ends with the block."""
    with _epmd(folder) as epmd_port:
        made = Broker(folder, epmd_port=epmd_port, config=config)
        try:
            made.start()
            yield made
        finally:
            made.kill()


@contextlib.contextmanager
def cluster(folder: Path, *, size: int = 3, config: str = "") -> Iterator[list[Broker]]:
    """Start nodes and join them to a cluster, as an operator does by hand; they end with the block."""
    with _epmd(folder) as epmd_port, contextlib.ExitStack() as ending:
        nodes: list[Broker] = []
        for number in range(size):
            own = folder / f"node{number}"
            own.mkdir()
            node = Broker(own, epmd_port=epmd_port, config=config)
            ending.callback(node.kill)
            node.start()
            if nodes:
                node.ctl("stop_app")
                node.ctl("join_cluster", nodes[0].name)
                node.ctl("start_app")
            nodes.append(node)
        yield nodes

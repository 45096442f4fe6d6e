"""Environment of the runs: a database with users and sessions, vhosts, and processes for one run at a time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

from bench.helper import ROOT, Helper
from bench.kinds import RECOMMENDED, Kind
from bench.servers import Server
from tests.support import postgresql, rabbitmq

USERS: Final = 10_000
REDIS_PREFIX: Final = "catmaid-notify-bench"

SignIn = Literal["session", "none"]


@dataclass(kw_only=True)
class Stage:
    """Environment of the runs. `open` creates it for a block."""

    folder: Path
    database: str
    sessions: Sequence[str]
    """Session cookies of the users 1, 2, 3 …"""
    _stack: contextlib.ExitStack
    _vhosts: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """Create the database. Vhosts are created when a kind needs them."""
        with contextlib.ExitStack() as stack:
            database = stack.enter_context(postgresql.database())
            stage = cls(folder=folder, database=database, sessions=(), _stack=stack)
            django("migrate", "--verbosity=0", env=stage.env())
            done = run("bench.served.fill", str(USERS), env=stage.env())
            stage.sessions = json.loads(done)
            yield stage

    def vhost(self, name: str) -> str:
        """Return the URL of a vhost for ``name`` alone."""
        if name not in self._vhosts:
            self._vhosts[name] = self._stack.enter_context(rabbitmq.vhost()).url
        return self._vhosts[name]

    def env(self, kind: Kind | None = None, *, sign_in: SignIn = "none") -> dict[str, str]:
        """Return the environment variables of the site's processes."""
        settings = {
            "DJANGO_SETTINGS_MODULE": "bench.served.settings",
            "BENCH_DATABASE": self.database,
            "BENCH_SIGN_IN": sign_in,
            "BENCH_APPLICATION": kind.application if kind else "ours",
            "PYTHONHASHSEED": "0",
        }
        if kind and kind.layer:
            settings["BENCH_LAYER"] = json.dumps({"BACKEND": kind.layer, "CONFIG": self._config(kind)})
        return settings

    def _config(self, kind: Kind) -> Mapping[str, Any]:
        if kind.needs == "rabbitmq":
            return {"host": self.vhost(kind.layer)}
        return {"hosts": ["redis://127.0.0.1:6379/0"], "prefix": REDIS_PREFIX}

    @contextlib.contextmanager
    def server(self, kind: Kind, *, sign_in: SignIn = "none") -> Iterator[Server]:
        """Start a server of that kind."""
        server = Server(kind, env=self.env(kind, sign_in=sign_in), folder=self.folder)
        try:
            yield server
        finally:
            server.end()

    def loader(self) -> Helper:
        """Start the process of the clients."""
        return Helper("bench.loader", python=RECOMMENDED, env={}, log=self.folder / "loader.log")

    @contextlib.contextmanager
    def publisher(self, kind: Kind, server: Server) -> Iterator[Helper | None]:
        """Start the process of the sender; ``None`` if the application sends by itself."""
        if not kind.publisher:
            yield None
            return
        given = json.dumps({"kind": kind.publisher, "place": self._place(kind, server)})
        log = self.folder / "publisher.log"
        with Helper("bench.publisher", given, python=RECOMMENDED, env=self.env(kind), log=log) as helper:
            yield helper

    def _place(self, kind: Kind, server: Server) -> str:
        match kind.publisher:
            case "rabbitmq":
                return self.vhost(kind.layer)
            case "redis":
                return f"{kind.layer}|{REDIS_PREFIX}"
            case "nchan":
                return str(server.port)
        return ""


def run(module: str, *arguments: str, env: Mapping[str, str]) -> str:
    """Run a module to its end and return its output.

    Raises:
        subprocess.CalledProcessError: the exit code is not 0.
    """
    done = subprocess.run(
        [RECOMMENDED, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def django(*arguments: str, env: Mapping[str, str]) -> str:
    """Run a management command."""
    return run("django", *arguments, env=env)

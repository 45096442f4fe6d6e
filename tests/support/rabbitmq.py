"""The RabbitMQ server of this machine, and vhosts of it that belong to one test."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.support.ports import listens

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, PORT = "127.0.0.1", int(os.environ.get("AMQP_PORT", "5672"))
COOKIE_FOLDER = "/var/lib/rabbitmq"
"""Home of Debian's user rabbitmq; only root and that user may read the cookie there."""
GIVEN_URL = os.environ.get("TEST_AMQP_URL", "")
"""Of an empty vhost that may be used for everything, where rabbitmqctl can't be: a server in a container, say."""


def missing() -> str:
    """Say why no vhost can be had; an empty string if one can."""
    if GIVEN_URL:
        return ""
    if not listens(PORT, HOST):
        return f"no RabbitMQ on {HOST}:{PORT}"
    if os.geteuid() != 0 or not shutil.which("rabbitmqctl"):
        return "making a RabbitMQ vhost needs rabbitmqctl and root (or TEST_AMQP_URL with an empty vhost)"
    return ""


def rabbitmqctl(*arguments: str) -> str:
    """Run ``rabbitmqctl -q`` and return what it prints; raises CalledProcessError with its words in ``stderr``."""
    done = subprocess.run(
        ["rabbitmqctl", "-q", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


def evaluate(expressions: str) -> None:
    """Have the broker evaluate Erlang expressions; raises RuntimeError, or CalledProcessError, if it can't.

    erl_call needs some milliseconds for it. rabbitmqctl, which is what there is without it, starts an Erlang VM each
    time, and that takes longer than most tests.
    """
    if not _has_erl_call():
        rabbitmqctl("eval", expressions)
        return
    answer = _erl_call(expressions)
    if not answer.startswith("{ok, "):
        raise RuntimeError(f"RabbitMQ answered {answer!r} to {expressions!r}.")


def _erl_call(expressions: str) -> str:
    # A name of its own: of two callers with the same one, the broker refuses the second.
    command = [
        "erl_call",
        "-h",
        f"test{secrets.token_hex(6)}",
        "-n",
        f"rabbit@{socket.gethostname().partition('.')[0]}",
        "-e",
    ]
    env = {**os.environ, "HOME": COOKIE_FOLDER}  # it reads the cookie there, so that no list of processes shows it
    done = subprocess.run(
        command, input=f"{expressions}\n", env=env, capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )
    return done.stdout or done.stderr


@cache
def _has_erl_call() -> bool:
    """Say whether erl_call is there and reaches the broker, by the node name that it has by default."""
    return bool(shutil.which("erl_call")) and _erl_call("ok.") == "{ok, ok}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Vhost:
    name: str
    url: str
    """With user and password."""

    def rows(self, what: str, *columns: str) -> list[list[str]]:
        """Return rows of ``rabbitmqctl list_<what>``: queues, exchanges, bindings or consumers of this vhost."""
        listed = rabbitmqctl("--no-table-headers", f"list_{what}", "-p", self.name, *columns)
        return [line.split("\t") for line in listed.splitlines()]

    def close_connections(self) -> None:
        """Have the broker close all connections to this vhost, as an operator would."""
        rabbitmqctl("close_all_connections", "--vhost", self.name, "closed by a test")


@contextmanager
def vhost() -> Iterator[Vhost]:
    """Make a vhost, with all rights for guest; it and its queues are removed at the end."""
    if GIVEN_URL:
        yield Vhost(name=GIVEN_URL.rpartition("/")[2], url=GIVEN_URL)
        return
    name = f"test_{secrets.token_hex(6)}"
    rights = ", ".join(['<<"guest">>', f'<<"{name}">>', *['<<".*">>'] * 3, '<<"tests">>'])
    evaluate(f'rabbit_vhost:add(<<"{name}">>, <<"tests">>), rabbit_auth_backend_internal:set_permissions({rights}).')
    try:
        yield Vhost(name=name, url=f"amqp://guest:guest@{HOST}:{PORT}/{name}")
    finally:
        evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>).')

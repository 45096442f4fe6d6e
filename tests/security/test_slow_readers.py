"""Clients that don't read, or hardly: they are closed in time, cost little, and delay nobody."""

from __future__ import annotations

import contextlib
import logging
import statistics
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.security.raw import Raw, holds, memory_of, raw
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.support.process import Process
    from tests.support.site import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

logger = logging.getLogger("tests")

MEGABYTE = 1024 * 1024
HASTY = {"CATMAID_NOTIFY_PING_SECONDS": 3, "CATMAID_NOTIFY_PONG_SECONDS": 2}
FLOOD = "for number in range(count): api.msg_user(user, 'flood', 'x' * 50_000)"


class Reader:
    """What a slow client does all the while, in a thread."""

    def __init__(self, client: Raw, how: str) -> None:
        self._client = client
        self._how = how
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            while not self._ended.wait(1.0):
                if self._how == "never reads but sends":
                    self._client.send(b'{"event":"ping","payload":{"nonce":"a"}}')
                elif self._how == "one byte a second":
                    self._client.connection.recv(1)
        except OSError:
            return  # cut off


HOW = ("never reads", "one byte a second", "never reads but sends")
SERVERS = ("daphne", "uvicorn")


def watch(site: Site, server: Process, *, seconds: float) -> None:
    """Let a client of each kind open a socket, flood them, and see what becomes of them and of others."""
    kinds = [(how, v1) for how in HOW for v1 in (True, False)]
    users = [site.user(f"{how}-{v1}") for how, v1 in kinds]
    plain = [user for user, (_how, v1) in zip(users, kinds, strict=True) if not v1]
    bystander = site.user("bystander")
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(site.socket(bystander))
        other.wait_for("hello")
        before = memory_of(server.pid)
        opened = time.monotonic()
        slow = {kind: stack.enter_context(raw(site, user, v1=kind[1])) for kind, user in zip(kinds, users, strict=True)}
        readers = [Reader(client, how) for (how, _v1), client in slow.items()]
        for user in users:
            site.run(FLOOD, user=user, count=30)
        delays: list[float] = []
        took: dict[tuple[str, bool], float] = {}
        memory = before
        while len(took) < len(kinds):
            for kind, client in slow.items():
                if kind not in took and not holds(site, client.port):
                    took[kind] = time.monotonic() - opened
            assert time.monotonic() - opened < seconds, f"Not all closed after {seconds} s: {took}"
            asked = time.monotonic()
            site.run("api.msg_user(user, 'tick')", user=bystander)
            other.wait_for("tick")
            delays.append(time.monotonic() - asked)
            for user in plain:  # what the system takes for them costs the server nothing, so there must be more
                site.run(FLOOD, user=user, count=2)
            memory = max(memory, memory_of(server.pid))
            time.sleep(0.1)
        for reader in readers:
            reader.stop()
        used = (memory - before) / MEGABYTE / len(kinds)
        logger.info("Closed after %s s; %.1f MB each; the bystander waited %.3f s", took, used, max(delays))
        assert used < 8
        assert statistics.median(delays) < 0.5
        eventually(lambda: site.fetch("/channels/health/").json["sockets"] == 1)
    assert "Traceback" not in server.output


@pytest.mark.parametrize("name", SERVERS)
def test_slow_readers__are_cut_off(make_site: Callable[..., AbstractContextManager[Site]], name: str) -> None:
    with make_site(settings=HASTY) as site:
        # A moment for the ping, for its answer, for the close to be read; the rest is patience with a busy machine.
        watch(site, getattr(site, name)(), seconds=3 + 2 + 2 + 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_slow_readers__are_cut_off_within_40_seconds(
    make_site: Callable[..., AbstractContextManager[Site]], name: str
) -> None:
    with make_site() as site:
        watch(site, getattr(site, name)(), seconds=40)

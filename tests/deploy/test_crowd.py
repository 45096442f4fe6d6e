"""Many who come at the same moment all get their socket: nobody is turned away because a server's queue is full."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack

import pytest

from tests.deploy.kit import run_units, wait_until_served
from tests.support.handshake import handshake

pytestmark = [pytest.mark.real, pytest.mark.timeout(240), pytest.mark.usefixtures("needs_nginx")]

CROWD = 300
"""More than Daphne's own queue holds (50), and Linux's in former times (128)."""


def test_crowd__waits_for_a_server_that_is_busy(site):
    """A unix socket whose queue is full refuses at once, and nginx answers with 502."""
    site.nginx(site.config("nginx"), main="events { worker_connections 4096; }")
    daphne = run_units(site, parts=("asgi", "wsgi"))["asgi-0"]
    wait_until_served(site)
    with ExitStack() as stack:
        daphne.signal(signal.SIGSTOP)
        stack.callback(daphne.signal, signal.SIGCONT)
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", site.port), 60)) for _ in range(CROWD)]
        for one in crowd:
            one.sendall(handshake(site.port, f"Origin: {site.url}"))
        # nginx has taken all of them once it answers this one, which came last.
        assert site.fetch("/notify/unread").status == 401
        daphne.signal(signal.SIGCONT)
        first_lines = {one.recv(4096).partition(b"\r\n")[0] for one in crowd}
    assert first_lines == {b"HTTP/1.1 101 Switching Protocols"}

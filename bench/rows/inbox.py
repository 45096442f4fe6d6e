"""Rows about queries of the inbox: by polling pages, and by the hub."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import proc
from bench.helper import Helper
from bench.kinds import KINDS, RECOMMENDED
from bench.rows.table import Figure, Goal, Row, Sizes, Values
from bench.stage import USERS, Stage
from tests.support import postgresql
from tests.support.ports import free_port
from tests.support.process import Process

CLIENTS = 4
UNREAD = 50
"""Unread messages of a polling user."""
SHORT, LISTED = "304 of ours", "a view that lists the unread"
PATHS = {SHORT: "/notify/unread", LISTED: "/listed/"}
WSGI_SERVERS = ("gunicorn", "uWSGI")
WARM_UP = 40
"""Requests before the measurement."""
STORED_TITLE = "stored"
OURS = KINDS["daphne: ours"]


def _fill(stage: Stage, *, rows: int, read: str, title: str, users: int = USERS) -> None:
    """Store messages for the users in turn, spread over a year; ``read`` is an SQL expression."""
    postgresql.execute(
        "INSERT INTO catmaid_notify_message (user_id, time, title, text, action, level, read) "
        f"SELECT 1 + n % {users}, now() - (n * interval '365 days' / {rows}), '{title}', 'A text of some length.', "
        f"'', 'info', {read} FROM generate_series(1, {rows}) AS n",
        stage.database,
    )
    postgresql.execute("VACUUM ANALYZE catmaid_notify_message", stage.database)


def _prepare_polling(stage: Stage, _sizes: Sizes) -> None:
    _fill(stage, rows=UNREAD, read="false", title="polled", users=1)


def store(stage: Stage, count: int) -> None:
    """Store ``count`` messages for all users, one in twenty unread."""
    _fill(stage, rows=count, read="n % 20 > 0", title=STORED_TITLE)


def forget(stage: Stage) -> None:
    """Delete all messages."""
    postgresql.execute("TRUNCATE catmaid_notify_message", stage.database)


def ask(stage: Stage) -> Values:
    """Return the milliseconds of each query of the inbox."""
    with Helper("bench.caller", python=RECOMMENDED, env=stage.env(OURS), log=stage.folder / "caller.log") as caller:
        values: Values = caller.ask("ask_inbox", users=USERS)
    return values


def _wsgi_server(stage: Stage, name: str, port: int) -> Process:
    """Start one worker, which answers requests one after another."""
    where, application = f"127.0.0.1:{port}", "bench.served.wsgi:application"
    command: list[str | Path] = [RECOMMENDED, "-m", "gunicorn", "-b", where, "--workers=1", "--no-control-socket"]
    if name == "uWSGI":
        quiet = ["--need-app", "--enable-threads", "--die-on-term", "--disable-logging"]
        command = [Path(RECOMMENDED).with_name("uwsgi"), "--http-socket", where, "--processes=1", *quiet, "--module"]
    return Process(name, [*command, application], folder=stage.folder, env=stage.env(OURS))


def _poll(stage: Stage, name: str, sizes: Sizes) -> Values:
    """Poll one WSGI worker as fast as it answers."""
    path, _, server_name = name.partition(", ")
    port = free_port()
    server = _wsgi_server(stage, server_name, port)
    try:
        server.wait_for_port(port, timeout=60)
        page = _Page(port, PATHS[path], stage.sessions[0])
        page.ask(WARM_UP)
        cpu = sum(map(proc.cpu_seconds, proc.with_children(server.pid)))
        started = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(page.ask, [sizes.requests // CLIENTS] * CLIENTS))
        seconds = time.monotonic() - started
        cpu = sum(map(proc.cpu_seconds, proc.with_children(server.pid))) - cpu
    finally:
        server.kill()
    return {"rate": sizes.requests / seconds, "cpu_us": cpu / sizes.requests * 1e6}


class _Page:
    """Client like nginx for a polling page: a connection for each request. Plain bytes keep its own cost low."""

    def __init__(self, port: int, path: str, cookie: str) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n".encode()
        self._expected = b"200"
        head = self._get().partition(b"\r\n\r\n")[0]
        if etag := re.search(rb"(?mi)^etag: (.*?)\r?$", head):
            self._request += b"If-None-Match: " + etag[1] + b"\r\n"
            self._expected = b"304"

    def ask(self, count: int) -> None:
        """Send ``count`` requests.

        Raises:
            ConnectionError: an answer differs from the first one.
        """
        for _ in range(count):
            status = self._get().split(b" ", 2)[1]
            if status != self._expected:
                raise ConnectionError(f"The answer was {status!r}, not {self._expected!r}.")

    def _get(self) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
            connection.sendall(self._request + b"\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b""))


def _ms(title: str) -> Figure:
    return Figure(title=f"{title}, ms", format="{:,.2f}")


POLLING = Row(
    name="polling",
    title="A page polls, 50 unread, one WSGI worker, PostgreSQL",
    kinds=tuple(f"{path}, {server}" for server in WSGI_SERVERS for path in PATHS),
    figures={
        "rate": Figure(title="requests/s", better="more", format="{:,.0f}"),
        "cpu_us": Figure(title="server CPU, us/request", format="{:,.0f}"),
    },
    run=_poll,
    prepare=_prepare_polling,
    goals=tuple(
        Goal(figure="rate", kind=f"{SHORT}, {server}", against=f"{LISTED}, {server}", times=3)
        for server in WSGI_SERVERS
    ),
)
SIZE = Row(
    name="size",
    title="1,000,000 stored messages of 10,000 users, PostgreSQL",
    kinds=("the inbox",),
    figures={
        "reconcile_ms": _ms("a round of reconciling"),
        "unread_ms": _ms("unread set"),
        "page_ms": _ms("page"),
        "latest_ms": _ms("latest unread date"),
    },
    run=lambda stage, _name, _sizes: ask(stage),
    prepare=lambda stage, sizes: store(stage, sizes.stored),
    goals=(
        Goal(figure="reconcile_ms", kind="the inbox", plus=50),
        Goal(figure="unread_ms", kind="the inbox", plus=2),
        Goal(figure="page_ms", kind="the inbox", plus=2),
        Goal(figure="latest_ms", kind="the inbox", plus=2),
    ),
)

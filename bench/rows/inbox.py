"""Questions to the inbox: what the pages that poll ask, and what the hub asks."""

from __future__ import annotations

import http.client
import threading
import time

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
"""Messages that a user who polls has not read."""
PATHS = {"304 of ours": "/notify/unread", "a view that lists the unread": "/listed/"}
STORED_TITLE = "stored"
OURS = KINDS["daphne: ours"]


def _fill(stage: Stage, *, rows: int, read: str, title: str, users: int = USERS) -> None:
    """Store messages for the users in turn, spread over a year; ``read`` is SQL."""
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
    """Store so many messages for all users, one in twenty unread."""
    _fill(stage, rows=count, read="n % 20 > 0", title=STORED_TITLE)


def forget(stage: Stage) -> None:
    """Remove all messages."""
    postgresql.execute("TRUNCATE catmaid_notify_message", stage.database)


def ask(stage: Stage) -> Values:
    """Return what questions to the inbox take, in milliseconds."""
    with Helper("bench.caller", python=RECOMMENDED, env=stage.env(OURS), log=stage.folder / "caller.log") as caller:
        values: Values = caller.ask("ask_inbox", users=USERS)
    return values


def _poll(stage: Stage, name: str, sizes: Sizes) -> Values:
    """Ask one WSGI worker as fast as it answers."""
    port = free_port()
    options = ["-b", f"127.0.0.1:{port}", "--workers=1", "--no-control-socket", "bench.served.wsgi:application"]
    server = Process("gunicorn", [RECOMMENDED, "-m", "gunicorn", *options], folder=stage.folder, env=stage.env(OURS))
    try:
        server.wait_for_port(port, timeout=60)
        headers = {"Cookie": stage.sessions[0]}
        first = _get(port, PATHS[name], headers)
        if etag := first.headers.get("ETag"):
            headers["If-None-Match"] = etag
        cpu = sum(map(proc.cpu_seconds, proc.with_children(server.pid)))
        started = time.monotonic()
        threads = [
            threading.Thread(
                target=_ask, args=(port, PATHS[name], headers, sizes.requests // CLIENTS, 304 if etag else 200)
            )
            for _ in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - started
        cpu = sum(map(proc.cpu_seconds, proc.with_children(server.pid))) - cpu
    finally:
        server.kill()
    return {"rate": sizes.requests / seconds, "cpu_us": cpu / sizes.requests * 1e6}


def _ask(port: int, path: str, headers: dict[str, str], count: int, status: int) -> None:
    for _ in range(count):
        answer = _get(port, path, headers)
        if answer.status != status:
            raise ConnectionError(f"{path} answered {answer.status}, not {status}.")


def _get(port: int, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def _ms(title: str) -> Figure:
    return Figure(title=f"{title}, ms", format="{:,.2f}")


POLLING = Row(
    name="polling",
    title="A page polls, 50 unread, one gunicorn worker, PostgreSQL",
    kinds=tuple(PATHS),
    figures={
        "rate": Figure(title="requests/s", better="more", format="{:,.0f}"),
        "cpu_us": Figure(title="server CPU, us/request", format="{:,.0f}"),
    },
    run=_poll,
    prepare=_prepare_polling,
    goals=(Goal(figure="rate", kind="304 of ours", against="a view that lists the unread", times=3),),
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

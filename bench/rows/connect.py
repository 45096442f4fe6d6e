"""Rows about opening sockets: rate with and without sessions, and all at once."""

from __future__ import annotations

from collections.abc import Callable

from bench.kinds import KINDS
from bench.rows.push import Flow, open_sockets
from bench.rows.table import Figure, Goal, Row, Sizes, Values
from bench.stage import SignIn, Stage

AT_ONCE = 20


def _run(sign_in: SignIn, at_once: Callable[[Sizes], int]) -> Callable[[Stage, str, Sizes], Values]:
    def run(stage: Stage, name: str, sizes: Sizes) -> Values:
        kind = KINDS[name]
        count = sizes.connects
        flow = Flow(sockets=count, users=count, count=0, rate=0, at_once=at_once(sizes))
        cookies = stage.sessions if sign_in == "session" else ()
        with stage.server(kind, sign_in=sign_in) as server, stage.loader() as loader:
            warm = Flow(sockets=10, users=1, count=0, rate=0, at_once=1)
            open_sockets(loader, server, kind, warm, cookies)
            before, cpu = server.order("settle"), server.cpu_seconds()
            seconds = open_sockets(loader, server, kind, flow, cookies)
            cpu = server.cpu_seconds() - cpu
            after = server.order("settle")
        return {
            "rate": count / seconds,
            "seconds": seconds,
            "cpu_us": cpu / count * 1e6,
            "queries": (after["queries"] - before["queries"]) / count,
        }

    return run


RATE = Figure(title="sockets/s", better="more", format="{:,.0f}")
CPU = Figure(title="server CPU, us/socket", format="{:,.0f}")
QUERIES = Figure(title="queries/socket", format="{:,.2f}")

CONNECT = Row(
    name="connect",
    title="1,000 sockets opened, 20 at a time, session cookie",
    kinds=(
        "daphne: ours",
        "daphne: channels_rabbitmq",
        "daphne: channels_redis",
        "uvicorn: ours",
        "uvicorn: channels_rabbitmq",
    ),
    figures={"rate": RATE, "cpu_us": CPU, "queries": QUERIES},
    run=_run("session", lambda _: AT_ONCE),
    goals=(
        Goal(figure="rate", kind="daphne: ours", against="daphne: channels_rabbitmq", times=1.5),
        Goal(figure="rate", kind="uvicorn: ours", against="uvicorn: channels_rabbitmq", times=1.5),
        Goal(figure="queries", kind="daphne: ours", plus=2),
        Goal(figure="queries", kind="uvicorn: ours", plus=2),
    ),
)
ANYBODY = Row(
    name="connect-anybody",
    title="The same, without authentication",
    kinds=("daphne: ours", "daphne: channels_rabbitmq", "daphne: only sends", "uvicorn: ours", "uvicorn: only sends"),
    figures={"rate": RATE, "cpu_us": CPU},
    run=_run("none", lambda _: AT_ONCE),
)
COME_BACK = Row(
    name="come-back",
    title="1,000 clients come back at once, session cookie",
    kinds=("daphne: ours", "daphne: channels_rabbitmq", "uvicorn: ours"),
    figures={"seconds": Figure(title="seconds until all are live", format="{:,.2f}"), "cpu_us": CPU},
    run=_run("session", lambda sizes: sizes.connects),
    goals=(
        Goal(figure="seconds", kind="daphne: ours", plus=10),
        Goal(figure="seconds", kind="uvicorn: ours", plus=10),
    ),
)

"""Rows about pushes to open sockets: fan-out, one user each, a burst, many sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import percentile
from bench.helper import Helper
from bench.kinds import KINDS, Kind
from bench.rows.table import Figure, Goal, Row, Sizes, Values
from bench.servers import Server
from bench.stage import SignIn, Stage

WARM_UP = 10
QUIET_SECONDS = 3.0
"""Seconds of silence after which missing messages count as lost."""
KIB = 2**10


class NothingCame(Exception):
    """No message arrived, so that there is nothing to compare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Load of a run: sockets, spread over users, and messages to these users in turn."""

    sockets: int
    users: int
    count: int
    rate: float
    """Messages a second; 0: as fast as possible."""
    at_once: int = 50
    """Sockets that are opened concurrently."""

    @property
    def frames(self) -> int:
        """Number of frames that must arrive."""
        return self.count * self.sockets // self.users


def run(stage: Stage, kind: Kind, flow: Flow, *, sign_in: SignIn = "none") -> Values:
    """Open the sockets, send the messages, and return all figures."""
    cookies = stage.sessions if sign_in == "session" else ()
    with (
        stage.server(kind, sign_in=sign_in) as server,
        stage.loader() as loader,
        stage.publisher(kind, server) as publisher,
    ):
        # A few sockets first: the modules that they make the server import don't count as memory of a socket.
        open_sockets(loader, server, kind, Flow(sockets=10, users=10, count=0, rate=0), cookies)
        loader.ask("close")
        memory = _settled(server, kind)
        connected = open_sockets(loader, server, kind, flow, cookies)
        opened = _settled(server, kind)
        send = publisher.ask if publisher else _by_itself(server)
        send("flow", count=WARM_UP, rate=20, groups=1)
        loader.ask("received", count=WARM_UP * flow.sockets // flow.users, quiet=QUIET_SECONDS)
        loader.ask("forget")
        cpu = server.cpu_seconds()
        sent = send("flow", count=flow.count, rate=flow.rate, groups=flow.users)
        came = loader.ask("received", count=flow.frames, quiet=QUIET_SECONDS)
        cpu = server.cpu_seconds() - cpu
    if not came["count"]:
        raise NothingCame(f"{kind.name}: none of {flow.frames} frames came.")
    latencies = came["latencies_ns"]
    seconds = (came["last_ns"] - sent["first_ns"]) / 1e9
    return {
        "cpu_us": cpu / came["count"] * 1e6,
        "p50_ms": percentile(latencies, 50) / 1e6,
        "p99_ms": percentile(latencies, 99) / 1e6,
        "lost": max(0, flow.frames - came["count"]),
        "seconds": seconds,
        "rate": came["count"] / seconds,
        "memory_kib": (opened - memory) / flow.sockets / KIB,
        "connects": flow.sockets / connected,
    }


def open_sockets(loader: Helper, server: Server, kind: Kind, flow: Flow, cookies: Sequence[str] = ()) -> float:
    """Open the sockets, and return the seconds that this took.

    Raises:
        ConnectionError: some could not be opened.
    """
    paths = [kind.path.format(user=number % flow.users + 1) for number in range(flow.sockets)]
    given = [cookies[number % flow.users] for number in range(flow.sockets)] if cookies else []
    done = loader.ask(
        "connect", port=server.port, paths=paths, cookies=given, dialect=kind.dialect, at_once=flow.at_once
    )
    if done["failed"]:
        raise ConnectionError(f"{kind.name}: {len(done['failed'])} sockets failed: {done['failed'][0]}")
    seconds: float = done["seconds"]
    return seconds


def _settled(server: Server, kind: Kind) -> int:
    """Return the memory of the server after a garbage collection, in bytes."""
    if kind.server != "nginx":
        server.order("settle")
    return server.rss_bytes()


def _by_itself(server: Server) -> Callable[..., Any]:
    def send(_do: str, *, count: int, rate: float, groups: int) -> Any:
        return server.order(f"flow?count={count}&rate={rate}&groups={groups}")

    return send


# The rows

CPU = Figure(title="server CPU, us/frame")
P50 = Figure(title="p50, ms", format="{:,.2f}")
P99 = Figure(title="p99, ms", format="{:,.2f}")
LOST = Figure(title="lost", format="{:,.0f}")
MEMORY = Figure(title="memory, KiB/socket")


def _run(flow: Callable[[Sizes], Flow], *, sign_in: SignIn = "none") -> Callable[[Stage, str, Sizes], Values]:
    return lambda stage, name, sizes: run(stage, KINDS[name], flow(sizes), sign_in=sign_in)


def _names(*servers: str, without: str = "-") -> tuple[str, ...]:
    return tuple(
        name
        for name in KINDS
        if name.partition(":")[0] in servers and not name.endswith(without) and "eventstream" not in name
    )


def _fan_out(sizes: Sizes) -> Flow:
    return Flow(sockets=sizes.sockets, users=1, count=int(20 * sizes.seconds), rate=20)


def _each(sizes: Sizes) -> Flow:
    return Flow(sockets=sizes.sockets, users=sizes.sockets, count=int(1000 * sizes.seconds), rate=1000)


def _burst(sizes: Sizes) -> Flow:
    return Flow(sockets=sizes.sockets, users=sizes.sockets, count=sizes.burst, rate=0)


def many(sockets: int) -> Callable[[Sizes], Flow]:
    """Return the load of a run with that many sockets."""
    return lambda sizes: Flow(sockets=sockets, users=sockets, count=int(200 * sizes.seconds), rate=200)


FAN_OUT = Row(
    name="fan-out",
    title="500 sockets of one user, 20 messages/s",
    kinds=("daphne: ours", *_names("daphne")[1:], *_names("uvicorn"), "uvicorn: django-eventstream", "nginx: nchan"),
    figures={"cpu_us": CPU, "p50_ms": P50, "p99_ms": P99, "memory_kib": MEMORY, "lost": LOST},
    run=_run(_fan_out),
    goals=(
        Goal(figure="cpu_us", kind="daphne: ours", against="daphne: only sends", times=1.25),
        Goal(figure="cpu_us", kind="uvicorn: ours", against="uvicorn: only sends", times=1.25),
        Goal(figure="lost", kind="daphne: ours"),
        Goal(figure="lost", kind="uvicorn: ours"),
    ),
)
EACH = Row(
    name="each",
    title="500 sockets, a user each, 1,000 messages/s",
    kinds=(*_names("daphne", without="pubsub"), "uvicorn: ours", "uvicorn: only sends", "nginx: nchan"),
    figures={"cpu_us": CPU, "p50_ms": P50, "p99_ms": P99, "lost": LOST},
    run=_run(_each),
    goals=(
        Goal(figure="cpu_us", kind="daphne: ours", against="daphne: channels_rabbitmq", times=0.45),
        Goal(figure="p99_ms", kind="daphne: ours", plus=2),
        Goal(figure="p99_ms", kind="uvicorn: ours", plus=2),
    ),
)
SIGNED_IN = Row(
    name="signed-in",
    title="500 sockets, a user each, 1,000 messages/s, session cookie",
    kinds=("daphne: ours", "daphne: channels_rabbitmq", "daphne: channels_redis", "uvicorn: ours"),
    figures={"cpu_us": CPU, "p50_ms": P50, "p99_ms": P99, "memory_kib": MEMORY, "lost": LOST},
    run=_run(_each, sign_in="session"),
    goals=(
        Goal(figure="cpu_us", kind="daphne: ours", against="daphne: channels_rabbitmq", times=0.45),
        Goal(figure="lost", kind="daphne: ours"),
        Goal(figure="lost", kind="uvicorn: ours"),
    ),
)
BURST = Row(
    name="burst",
    title="10,000 messages at once to 500 users",
    kinds=("daphne: ours", "daphne: channels_rabbitmq", "daphne: channels_redis", "uvicorn: ours", "nginx: nchan"),
    figures={"seconds": Figure(title="seconds", format="{:,.2f}"), "cpu_us": CPU, "lost": LOST},
    run=_run(_burst),
    goals=(
        Goal(figure="lost", kind="daphne: ours"),
        Goal(figure="seconds", kind="daphne: ours", plus=3),
        Goal(figure="lost", kind="uvicorn: ours"),
        Goal(figure="seconds", kind="uvicorn: ours", plus=3),
    ),
)


def _many(index: int, name: str, title: str, *, rounds: int) -> Row:
    def flow(sizes: Sizes) -> Flow:
        return many(sizes.many[min(index, len(sizes.many) - 1)])(sizes)

    return Row(
        name=name,
        title=title,
        kinds=(
            "daphne: ours",
            "daphne: channels_rabbitmq",
            "daphne: only sends",
            "uvicorn: ours",
            "uvicorn: only sends",
        ),
        figures={"p50_ms": P50, "p99_ms": P99, "cpu_us": CPU, "memory_kib": MEMORY, "lost": LOST},
        run=_run(flow),
        goals=(
            Goal(figure="p99_ms", kind="daphne: ours", against="daphne: channels_rabbitmq", times=0.3),
            Goal(figure="memory_kib", kind="daphne: ours", against="daphne: only sends", plus=6),
            Goal(figure="memory_kib", kind="uvicorn: ours", against="uvicorn: only sends", plus=6),
        ),
        rounds=rounds,  # opening so many sockets takes longest
    )


MANY = _many(0, "5000", "5,000 sockets, a user each, 200 messages/s", rounds=3)
MORE = _many(1, "10000", "10,000 sockets, a user each, 200 messages/s", rounds=3)

"""Rows of the benchmark. A row is a scenario for a sender and a receiver process, with the figures that it yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.figures import Better, percentile
from bench.layers.peer import Peer, PeerFailed

ROOM = 60_000
"""Capacity for waiting messages in comparisons of speed, where nothing may be lost. channels_rabbitmq takes 65,535."""
WARM_UP = 200
QUIET_SECONDS = 2.0
"""Seconds of silence after which missing messages count as lost."""
MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Amounts of work."""

    seconds: float
    """Seconds for which messages are sent."""
    burst: int
    burst_groups: int
    groups: int
    channels: int
    one_by_one: int


FULL = Sizes(seconds=5, burst=10_000, burst_groups=500, groups=10_000, channels=2_000, one_by_one=1_000)
QUICK = Sizes(seconds=1, burst=10_000, burst_groups=500, groups=2_000, channels=500, one_by_one=200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One figure of a row."""

    title: str
    better: Better
    format: str = "{:,.0f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A scenario and its figures."""

    title: str
    figures: Mapping[str, Figure]
    run: Callable[[Peer, Peer, str, Sizes], dict[str, float]]
    """Function of the sender, the receiver, a prefix for names of groups, and the sizes."""
    room: int | None = None
    """Capacity for waiting messages; ``None``: the default of the layer."""


LOST = Figure(title="lost", better="less")
CPU = {
    "receiver_us": Figure(title="CPU of the receiver, us/message", better="less"),
    "sender_us": Figure(title="CPU of the sender, us/message", better="less"),
}


Run = Callable[[Peer, Peer, str, Sizes], dict[str, float]]


def _latency(*, web: bool) -> Run:
    def run(sender: Peer, receiver: Peer, prefix: str, sizes: Sizes) -> dict[str, float]:
        if web:
            _receive_too(sender, prefix)
        order = {"do": "send_at", "groups": 1, "rate": 200, "seconds": sizes.seconds}
        figures, latencies = _flow(sender, receiver, prefix, order, groups=1, channels=1)
        return {
            **figures,
            "p50_ms": percentile(latencies, 50) / 1e6,
            "p99_ms": percentile(latencies, 99) / 1e6,
        }

    return run


def _throughput(in_flight: int, *, web: bool) -> Run:
    def run(sender: Peer, receiver: Peer, prefix: str, sizes: Sizes) -> dict[str, float]:
        if web:
            _receive_too(sender, prefix)
        order = {"do": "send_for", "groups": 1, "seconds": sizes.seconds, "in_flight": in_flight}
        return _flow(sender, receiver, prefix, order, groups=1, channels=1)[0]

    return run


def _receive_too(sender: Peer, prefix: str) -> None:
    """Give the sender channels and groups of its own, as an ASGI process has."""
    sender.ask("join", prefix=f"{prefix}sender", groups=1, channels=1, at_once=1)
    sender.ask("listen")


def _burst(*, one_channel: bool) -> Run:
    def run(sender: Peer, receiver: Peer, prefix: str, sizes: Sizes) -> dict[str, float]:
        groups = sizes.burst_groups
        order = {"do": "send_count", "groups": groups, "count": sizes.burst, "in_flight": 50}
        channels = 1 if one_channel else groups
        return _flow(sender, receiver, prefix, order, groups=groups, channels=channels)[0]

    return run


def _flow(
    sender: Peer,
    receiver: Peer,
    prefix: str,
    order: dict[str, Any],
    *,
    groups: int,
    channels: int,
) -> tuple[dict[str, float], list[int]]:
    """Send to groups of the receiver; return the figures, and the latencies in nanoseconds.

    Raises:
        PeerFailed: nothing arrived, so that there is nothing to compare.
    """
    receiver.ask("join", prefix=prefix, groups=groups, channels=channels, at_once=50)
    receiver.ask("listen")
    sender.ask("send_count", prefix=prefix, groups=1, count=WARM_UP, in_flight=1)
    receiver.ask("received", count=WARM_UP, quiet=QUIET_SECONDS)
    receiver.ask("forget")
    sending, receiving = sender.cpu_seconds(), receiver.cpu_seconds()
    sent = sender.ask(prefix=prefix, **order)
    came = receiver.ask("received", count=sent["sent"], quiet=QUIET_SECONDS)
    sending, receiving = sender.cpu_seconds() - sending, receiver.cpu_seconds() - receiving
    count = len(came["latencies_ns"])
    if not count:
        raise PeerFailed(f"None of {sent['sent']} messages arrived.")
    seconds = (came["last_ns"] - sent["first_ns"]) / 1e9
    figures = {
        "lost": sent["sent"] - count,
        "rate": count / seconds,
        "seconds": seconds,
        "receiver_us": receiving / count * 1e6,
        "sender_us": sending / sent["sent"] * 1e6,
    }
    return figures, came["latencies_ns"]


def _join(*, channels: Callable[[Sizes], int], groups: Callable[[Sizes], int], at_once: int) -> Any:
    def run(_sender: Peer, receiver: Peer, prefix: str, sizes: Sizes) -> dict[str, float]:
        receiver.ask("join", prefix=f"{prefix}warm", groups=10, channels=1, at_once=10)
        receiver.ask("settle")
        memory, cpu = receiver.rss_bytes(), receiver.cpu_seconds()
        count = groups(sizes)
        seconds = receiver.ask("join", prefix=prefix, groups=count, channels=channels(sizes), at_once=at_once)
        cpu = receiver.cpu_seconds() - cpu
        receiver.ask("settle")
        return {
            "joined": count / seconds,
            "join_us": cpu / count * 1e6,
            "mib": (receiver.rss_bytes() - memory) / MIB / count * 10_000,
        }

    return run


_JOINED = {
    "joined": Figure(title="groups/s", better="more"),
    "join_us": Figure(title="CPU of the receiver, us/group", better="less"),
}

_LATENCY = {
    "p50_ms": Figure(title="p50, ms", better="less", format="{:.2f}"),
    "p99_ms": Figure(title="p99, ms", better="less", format="{:.2f}"),
    **CPU,
    "lost": LOST,
}
_THROUGHPUT = {"rate": Figure(title="received/s", better="more"), **CPU, "lost": LOST}

ROWS = {
    "latency": Row(
        title="`group_send` to `receive`, 200 messages/s, from one web process to another",
        figures=_LATENCY,
        run=_latency(web=True),
    ),
    "latency-from-task": Row(
        title="The same, from a process that only sends",
        figures=_LATENCY,
        run=_latency(web=False),
    ),
    "throughput-1": Row(
        title="One call at a time, from one web process to another",
        figures=_THROUGHPUT,
        run=_throughput(1, web=True),
        room=ROOM,
    ),
    "throughput-1-from-task": Row(
        title="The same, from a process that only sends",
        figures=_THROUGHPUT,
        run=_throughput(1, web=False),
        room=ROOM,
    ),
    "throughput-50": Row(
        title="50 calls under way, from one web process to another",
        figures=_THROUGHPUT,
        run=_throughput(50, web=True),
        room=ROOM,
    ),
    "throughput-50-from-task": Row(
        title="The same, from a process that only sends",
        figures=_THROUGHPUT,
        run=_throughput(50, web=False),
        room=ROOM,
    ),
    "burst": Row(
        title="Burst of 10,000 to 500 groups, a channel each, default CONFIG",
        figures={"lost": LOST, "seconds": Figure(title="seconds", better="less", format="{:.2f}")},
        run=_burst(one_channel=False),
    ),
    "burst-one-channel": Row(
        title="The same, one channel in all 500 groups",
        figures={"lost": LOST, "seconds": Figure(title="seconds", better="less", format="{:.2f}")},
        run=_burst(one_channel=True),
    ),
    "join-one-channel": Row(
        title="10,000 groups joined by one channel, 100 calls under way",
        figures={**_JOINED, "mib": Figure(title="memory, MiB per 10,000 groups", better="less", format="{:.1f}")},
        run=_join(channels=lambda _: 1, groups=lambda sizes: sizes.groups, at_once=100),
    ),
    "join-channels": Row(
        title="2,000 new channels, a group each, 100 calls under way",
        figures=_JOINED,
        run=_join(channels=lambda sizes: sizes.channels, groups=lambda sizes: sizes.channels, at_once=100),
    ),
    "join-one-by-one": Row(
        title="Groups joined one after another",
        figures=_JOINED,
        run=_join(channels=lambda _: 1, groups=lambda sizes: sizes.one_by_one, at_once=1),
    ),
}

"""Growth of cost with size: 1 ×, 4 × and 16 × the sockets, users or stored messages, and more processes.

``python -m bench.growth`` writes one plot for each curve into docs/images, and all values as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import joins
from bench.figures import percentile
from bench.helper import ROOT
from bench.kinds import KINDS
from bench.rows import inbox, push
from bench.rows.table import FULL, Values
from bench.stage import Stage

IMAGES: Final = ROOT / "docs" / "images"
OURS: Final = "daphne: ours"
SOCKET_KINDS: Final = (OURS, "daphne: channels_rabbitmq", "daphne: only sends", "uvicorn: ours")


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Measurement that is repeated at several sizes."""

    name: str
    title: str
    across: str
    """Label of the x axis."""
    sizes: tuple[int, ...]
    kinds: tuple[str, ...]
    figures: Mapping[str, str]
    """Panels: figure and label of its y axis."""
    run: Callable[[Stage, str, int], Values]


def _of_one_user(stage: Stage, name: str, sockets: int) -> Values:
    rate = 10_000 / sockets
    flow = push.Flow(sockets=sockets, users=1, count=max(10, int(rate * 3)), rate=rate)
    return push.run(stage, KINDS[name], flow)


def _of_a_user_each(stage: Stage, name: str, sockets: int) -> Values:
    return push.run(stage, KINDS[name], push.many(sockets)(FULL))


def _stored(stage: Stage, _name: str, count: int) -> Values:
    inbox.store(stage, count)
    values = inbox.ask(stage)
    inbox.forget(stage)
    return values


def _processes(stage: Stage, name: str, count: int) -> Values:
    """Send 10,000 messages to 2,000 users whose sockets are spread over ``count`` servers."""
    kind, users = KINDS[name], 2_000
    with contextlib.ExitStack() as stack:
        loader = stack.enter_context(stage.loader())
        servers = [stack.enter_context(stage.server(kind)) for _ in range(count)]
        for number, server in enumerate(servers):
            paths = [kind.path.format(user=user + 1) for user in range(number, users, count)]
            loader.ask("connect", port=server.port, paths=paths, cookies=[], dialect=kind.dialect, at_once=20)
        publisher = stack.enter_context(stage.publisher(kind, servers[0]))
        assert publisher is not None
        cpu = [server.cpu_seconds() for server in servers]
        sent = publisher.ask("flow", count=FULL.burst, rate=0, groups=users)
        came = loader.ask("received", count=FULL.burst, quiet=push.QUIET_SECONDS)
        taken = [server.cpu_seconds() - before for server, before in zip(servers, cpu, strict=True)]
    return {
        "rate": came["count"] / ((came["last_ns"] - sent["first_ns"]) / 1e9),
        "busiest_us": max(taken) / came["count"] * 1e6,
        "cpu_us": sum(taken) / came["count"] * 1e6,
        "p99_ms": percentile(came["latencies_ns"], 99) / 1e6,
    }


CURVES: Final = (
    Curve(
        name="fan-out",
        title="Sockets of one user, 10,000 frames/s",
        across="sockets",
        sizes=(250, 1_000, 4_000),
        kinds=SOCKET_KINDS,
        figures={"cpu_us": "server CPU, us/frame", "p50_ms": "p50, ms"},
        run=_of_one_user,
    ),
    Curve(
        name="sockets",
        title="Sockets of a user each, 200 messages/s",
        across="sockets",
        sizes=(500, 2_000, 8_000),
        kinds=SOCKET_KINDS,
        figures={"cpu_us": "server CPU, us/message", "p99_ms": "p99, ms", "memory_kib": "memory, KiB/socket"},
        run=_of_a_user_each,
    ),
    Curve(
        name="stored",
        title="Stored messages of 10,000 users",
        across="messages",
        sizes=(62_500, 250_000, 1_000_000),
        kinds=("PostgreSQL",),
        figures={
            "reconcile_ms": "a round of reconciling, ms",
            "unread_ms": "unread set, ms",
            "page_ms": "page, ms",
            "latest_ms": "latest unread date, ms",
        },
        run=_stored,
    ),
    Curve(
        name="processes",
        title="10,000 messages at once to 2,000 users, ASGI processes on one broker",
        across="processes",
        sizes=(1, 2, 4),
        kinds=(OURS, "uvicorn: ours"),
        figures={"rate": "messages/s", "busiest_us": "CPU of the busiest, us/message"},
        run=_processes,
    ),
    Curve(
        name="joins",
        title="Groups that a process joins: bindings of the broker",
        across="groups",
        sizes=(625, 2_500, 10_000),
        kinds=joins.KINDS_OF_NODES,
        figures={
            "rate": "groups/s",
            "broker_us": "broker's CPU, us/group",
            "broker_kib": "broker's memory, KiB/group",
        },
        run=lambda _stage, name, count: joins.join(name, count),
    ),
)

Measured = dict[str, list[Values]]
"""Values by kind, one for each size."""


def measure(stage: Stage, curve: Curve) -> Measured:
    """Run all kinds in turns at one size, then at the next size."""
    measured: Measured = {kind: [] for kind in curve.kinds}
    for size in curve.sizes:
        for kind in curve.kinds:
            print(f"{curve.name}: {size:,} {curve.across}: {kind} ...", file=sys.stderr)
            measured[kind].append(curve.run(stage, kind, size))
    return measured


def plot(curve: Curve, measured: Measured, folder: Path) -> Path:
    """Draw one panel for each figure. Both axes are logarithmic and of equal span, so linear growth is a diagonal."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    figure = Figure(figsize=(4 * len(curve.figures), 3.2), layout="constrained")
    figure.suptitle(curve.title, fontsize=11)
    panels = figure.subplots(1, len(curve.figures), squeeze=False)[0]
    for panel, (key, title) in zip(panels, curve.figures.items(), strict=True):
        for kind, values in measured.items():
            # The difference of two memory readings may be negative, which a logarithmic axis can't show.
            heights = [value[key] if value[key] > 0 else math.nan for value in values]
            panel.plot(curve.sizes, heights, marker="o", label=kind)
        panel.set(xscale="log", yscale="log", xlabel=curve.across, ylabel=title)
        panel.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes])
        panel.set_ylim(_span([value[key] for values in measured.values() for value in values], curve.sizes))
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        panel.minorticks_off()
        panel.grid(visible=True, alpha=0.3)
    if len(measured) > 1:
        panels[0].legend(fontsize=7)
    path = folder / f"growth-{curve.name}.png"
    figure.savefig(path, dpi=90)
    return path


def _span(values: Sequence[float], sizes: Sequence[int]) -> tuple[float, float]:
    """Return the ends of a logarithmic y axis that is at least as long as the x axis."""
    above_zero = [value for value in values if value > 0] or [1.0]
    low, high = min(above_zero), max(above_zero)
    middle, half = math.sqrt(low * high), 1.2 * math.sqrt(max(high / low, sizes[-1] / sizes[0]))
    return middle / half, middle * half


def table(curve: Curve, measured: Measured) -> str:
    """Return a Markdown table with a line for each kind and figure, and a column for each size."""
    lines = [[curve.title, *(f"{size:,} {curve.across}" for size in curve.sizes)]]
    lines.append(["---", *["---:"] * len(curve.sizes)])
    for key, title in curve.figures.items():
        for kind, values in measured.items():
            lines.append([f"{kind}: {title}", *(f"{value[key]:,.4g}" for value in values)])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, draw and print the curves; return the exit code."""
    curves = {curve.name: curve for curve in CURVES}
    names = list(curves)
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="Measure the growth of cost with size.")
    parser.add_argument("--curves", nargs="+", choices=names, default=names, metavar="CURVE", help=", ".join(names))
    parser.add_argument("--images", type=Path, default=IMAGES, metavar="FOLDER", help="folder for the plots")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values into this file")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, Stage.open(Path(folder)) as stage:
        for curve in (curves[name] for name in options.curves):
            measured = results[curve.name] = measure(stage, curve)
            plot(curve, measured, options.images)
            print(f"{table(curve, measured)}\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

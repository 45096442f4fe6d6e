"""Cost of bindings in RabbitMQ: one process joins many groups, on one node and on a cluster of three."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Final

from bench import proc
from bench.layers.kinds import KINDS
from bench.layers.peer import Peer
from bench.rows.table import Values
from tests.support.broker import Broker, broker, cluster

AT_ONCE: Final = 100
"""Concurrent calls."""
NODES: Final = {"one node": 1, "cluster of three": 3}
KINDS_OF_NODES: Final = tuple(f"{kind}, {nodes}" for nodes in NODES for kind in ("ours", "channels_rabbitmq"))
MEMORY: Final = "erlang:garbage_collect(), [garbage_collect(P) || P <- processes()], erlang:memory(total)."


def join(name: str, count: int) -> Values:
    """Let a process join ``count`` groups on idle nodes; ``name`` is one of `KINDS_OF_NODES`."""
    kind, nodes = name.split(", ")
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        folder = Path(made)
        started = (
            [stack.enter_context(broker(folder))]
            if NODES[nodes] == 1
            else stack.enter_context(cluster(folder, size=NODES[nodes]))
        )
        config = KINDS[kind].config(started[0].url + started[0].vhost(), room=None)
        worker = Peer(KINDS[kind], config, folder / "worker.log")
        stack.callback(worker.end)
        worker.ask("join", prefix="warm", groups=10, channels=1, at_once=10)
        memory, cpu = _memory(started), _cpu_seconds(started)
        seconds = worker.ask("join", prefix="g", groups=count, channels=1, at_once=AT_ONCE)
        cpu = _cpu_seconds(started) - cpu
        return {
            "rate": count / seconds,
            "broker_us": cpu / count * 1e6,
            "broker_kib": (_memory(started) - memory) / count / 2**10,
        }


def _cpu_seconds(nodes: list[Broker]) -> float:
    """Return the CPU time of all nodes so far, in seconds."""
    return sum(sum(map(proc.cpu_seconds, proc.with_children(node.pid))) for node in nodes)


def _memory(nodes: list[Broker]) -> int:
    """Return the memory of all nodes in bytes, after a garbage collection."""
    return sum(int(node.ctl("eval", MEMORY)) for node in nodes)

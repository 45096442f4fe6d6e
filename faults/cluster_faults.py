"""Faults of a RabbitMQ cluster of three: losing one node must not stop the other two."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from faults.checker import slow_until
from faults.ending import to_thread
from faults.faults import Criterion, Measure, fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.world import World
    from tests.support.broker import Broker


@fault("F15", "cluster of three: a node killed, then cut off from the others", after=20, nodes=3, lane="cluster")
async def node_lost(world: World) -> Sequence[Criterion]:
    first, second, third = world.nodes
    killed = world.phase("killed")
    await to_thread(first.kill)
    await asyncio.sleep(world.span(40, 10))
    back = world.phase("back")
    await to_thread(first.start)
    await asyncio.sleep(10)
    cut = world.phase("cut off")
    # Any node may hold the receiving connection, so each one is cut off once.
    marks = []
    for node, others in ((second, (first, third)), (third, (first, second))):
        marks.append(world.phase("cut off"))
        await _cookie(node, others, "another")
        await asyncio.sleep(world.span(40, 10))
        await _cookie(node, others, "tests")
        await asyncio.sleep(15)
    world.phase("after")

    def until(begin: float, end: float, what: str) -> Criterion:
        return lambda verdict: Measure(what=what, value=slow_until(verdict, begin, until=end), most=30)

    return [
        until(killed, back, "push again with a node killed after"),
        until(cut, marks[1], "with one cut off after"),
        until(marks[1], marks[1] + world.span(40, 10), "with another one cut off after"),
    ]


async def _cookie(node: Broker, others: Sequence[Broker], cookie: str) -> None:
    """Cut a node off from the others by another Erlang cookie, or let it in again."""
    for other in others:
        name = f"'{other.name}'"
        code = f"erlang:set_cookie({name}, '{cookie}'), erlang:disconnect_node({name})."
        await to_thread(node.ctl, "eval", code)

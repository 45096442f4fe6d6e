"""Faults of the servers: Daphne, and processes that create messages."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.figures import percentile
from faults.ending import to_thread
from faults.faults import Criterion, Measure, fault
from tests.support.process import PYTHON

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faults.client import Client
    from faults.world import World


@fault("F01", "Daphne restarted, also right after handshakes")
async def daphne_restarted(world: World) -> Sequence[Criterion]:
    exits: list[float] = []
    lives: list[float] = []
    spreads: list[float] = []
    away: list[float] = []
    for round_ in range(int(world.span(5, 1))):
        newcomers: list[Client] = []
        if round_ % 2:
            newcomers = world.add_clients(10)
            await world.until(lambda: any(client.frames for client in newcomers), 10)  # noqa: B023 - before the next
        down = time.monotonic()
        code = await to_thread(world.daphne.stop, timeout=15)
        exits.append(time.monotonic() - down)
        assert code in (0, -15), f"Daphne ended with {code}"
        await world.start_daphne()
        up = time.monotonic()
        away.append(up - down)
        await world.all_live(120)
        lives += [max(0.0, client.live_since - up) for client in world.clients]
        first = [min((at for at in client.connects if at > down), default=down) for client in world.clients]
        spreads.append(max(first) - min(first))
        # Clients count a socket that ends early as a failure, and then wait longer.
        await asyncio.sleep(float(world.timings["settleMs"]) / 1000 + 1)  # type: ignore[arg-type]
        await world.remove_clients(newcomers)
    world.phase("after")
    return [
        Measure(what="live again p95", value=percentile(lives, 95), most=10),
        Measure(what="exit", value=max(exits), most=5),
        Measure(what="away for", value=max(away)),
        Measure(what="reconnects spread over", value=min(spreads), least=world.span(2.5, 0.1)),
    ]


@fault("F02", "Daphne killed")
async def daphne_killed(world: World) -> Sequence[Criterion]:
    before = set(await world.bindings())
    await to_thread(world.daphne.kill)
    killed = time.monotonic()
    while (left := before & set(await world.bindings())) and time.monotonic() - killed < 60:  # noqa: ASYNC110 - rabbitmqctl has no events
        await asyncio.sleep(1)
    gone = time.monotonic() - killed
    await world.start_daphne()
    world.phase("after")
    live = await world.all_live(120)
    return [
        Measure(what="queues of the killed one", value=len(left), most=0, unit=""),
        Measure(what="gone after", value=gone, most=60),
        Measure(what="all live after", value=live),
    ]


@fault("F19", "crash between commit and publish")
async def crash_after_commit(world: World) -> Sequence[Criterion]:
    numbers = [await commit_and_crash(world) for _ in range(int(world.span(5, 1)))]
    world.phase("after")

    def shown(verdict):
        late = max((one.seconds for one in verdict.showings if one.number in numbers), default=float("inf"))
        return Measure(what="shown after", value=late, most=world.limit(35, "RECONCILE_SECONDS"))

    return [shown]


async def commit_and_crash(world: World) -> str:
    """Let a process create a message and die before its push; return the number of the message."""
    number = f"{world.run}.crash.{time.monotonic_ns()}"
    user = str(world.random.choice(world.users).pk)
    command: list[str | Path] = [PYTHON, "-m", "faults.crashing", world.journal, number, user]
    process = await to_thread(world.site.start, "crash", *command)
    code = await to_thread(process.wait)
    assert code == 9, f"it was to crash, and ended with {code}: {process.tail()}"
    return number

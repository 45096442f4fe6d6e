"""Soak test: a random mix of small faults for a long time, to find growth of memory and open files."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from faults.ending import to_thread
from faults.faults import Criterion, Measure, fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from faults.world import World

HOUR = 3600.0
MEANINGFUL_SECONDS = HOUR
"""Shortest soak that is judged. In less time, a process that is warming up seems to grow for ever."""


@fault("F33", "soak: a random mix", after=20, lane="cluster")
async def mix(world: World) -> Sequence[Criterion]:
    """Run small faults in a random order. Daphne and the producers are never restarted: their memory is measured."""
    file = world.site.folder / "bytes-in-use"
    await to_thread(world.daphne.kill)
    await world.start_daphne(
        settings="from faults import memory  # noqa: F401", PYTHONMALLOC="malloc", FAULTS_MEMORY=str(file)
    )
    await world.until(file.exists, 20)
    began = time.monotonic()
    used: list[tuple[float, float]] = []
    resident: list[tuple[float, float]] = []
    end = began + world.span(world.soak_seconds, 10)
    while time.monotonic() < end:
        await world.random.choice(DEEDS)(world)
        await asyncio.sleep(world.random.uniform(3, 8))
        now = time.monotonic() - began
        used.append((now, int(file.read_text()) / 1e6))
        resident.append((now, world.resources()["daphne"][0]))
    world.phase("after")
    live = await world.all_live(400)
    await to_thread(world.daphne.kill)
    await world.start_daphne()
    late = len(used) // 3  # what a server allocates once is not growth
    growth = [
        Measure(what="what Daphne has in use grows by", value=slope(used[late:]) * HOUR, most=1, unit="MB/h"),
        Measure(what="what it has resident grows by", value=slope(resident[late:]) * HOUR, unit="MB/h"),
    ]
    # A fresh process grows until it has done everything once, whether it leaks or not.
    is_long = world.soak_seconds >= MEANINGFUL_SECONDS
    return [*(growth if is_long else []), Measure(what="all live after", value=live)]


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through the samples."""
    if len(samples) < 2:
        return 0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0


async def _restart_broker(world: World) -> None:
    await world.ctl("stop_app")
    await asyncio.sleep(world.random.uniform(0.5, 5))
    await world.ctl("start_app")


async def _close_connections(world: World) -> None:
    await world.ctl("close_all_connections", "--global", "closed by a test")


async def _stall_daphne(world: World) -> None:
    world.daphne.signal(signal.SIGSTOP)
    await asyncio.sleep(world.random.uniform(1, 5))
    world.daphne.signal(signal.SIGCONT)


async def _swallow(world: World) -> None:
    world.link.swallows = True
    await asyncio.sleep(world.random.uniform(1, 8))
    world.link.swallows = False
    world.link.cut()


async def _come_and_go(world: World) -> None:
    crowd = world.add_clients(20)
    await asyncio.sleep(world.random.uniform(1, 5))
    await world.remove_clients(crowd)


async def _reload_nginx(world: World) -> None:
    if world.nginx.process:
        world.nginx.process.signal(signal.SIGHUP)


DEEDS: list[Callable[[World], Awaitable[None]]] = [
    _restart_broker,
    _close_connections,
    _stall_daphne,
    _swallow,
    _come_and_go,
    _reload_nginx,
]

"""Faults of RabbitMQ."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.faults.faults import Criterion, Measure, fault, pushed_again

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.world import World

ALARM = ("set_vm_memory_high_watermark", "absolute", "1MB")
NO_ALARM = ("set_vm_memory_high_watermark", "0.6")


@fault("F08", "broker restarted by rabbitmqctl", after=20)
async def restarted(world: World) -> Sequence[Criterion]:
    daphne = world.daphne.pid
    await world.ctl("stop_app")
    await asyncio.sleep(world.span(10, 2))
    await world.ctl("start_app")
    healed = world.phase("after")
    return [pushed_again(healed, 15), _same(daphne, world)]


@fault("F09", "broker killed", after=20)
async def killed(world: World) -> Sequence[Criterion]:
    daphne = world.daphne.pid
    await asyncio.to_thread(world.broker.kill)
    await asyncio.sleep(world.span(10, 1))
    await asyncio.to_thread(world.broker.start)
    healed = world.phase("after")
    return [pushed_again(healed, 15), _same(daphne, world)]


def _same(pid: int, world: World) -> Measure:
    restarts = float(world.daphne.pid != pid or world.daphne.exit_code is not None)
    return Measure(what="restarts of Daphne", value=restarts, most=0, unit="")


@fault("F10", "broker absent at start", after=20)
async def absent(world: World) -> Sequence[Criterion]:
    run = world.run
    world.order("")
    for process in (world.daphne, world.gunicorn, world.worker):
        if process:
            await asyncio.to_thread(process.kill)
    await asyncio.to_thread(world.broker.kill)
    world.gunicorn = await asyncio.to_thread(world.site.gunicorn)
    await world.start_daphne()
    await world.start_worker(waits=False)
    world.order(run)
    polling = await world.until(lambda: all(client.state == "polling" for client in world.clients), 45)
    await asyncio.sleep(world.span(10, 1))
    await asyncio.to_thread(world.broker.start)
    healed = world.phase("after")
    worker = world.worker
    assert worker is not None
    await asyncio.to_thread(worker.wait_for, r"@tests ready", timeout=60)
    await world.employ()
    world.order(run)
    live = await world.all_live(400)
    return [
        Measure(what="all poll after", value=polling, most=41),
        Measure(what="all live after", value=live, most=375),
        pushed_again(healed, 375),
    ]


@fault("F12", "worker killed in an alarm, right after its first publish")
async def worker_killed_in_alarm(world: World) -> Sequence[Criterion]:
    run = world.run
    for _ in range(int(world.span(5, 1))):
        world.order("")
        await world.ctl(*ALARM)
        count = _by_worker(world, run)
        world.order(run)
        await world.until(lambda: _by_worker(world, run) > count, 30)  # noqa: B023 - done before the next round
        worker = world.worker
        assert worker is not None
        await asyncio.to_thread(worker.kill)
        await world.ctl(*NO_ALARM)
        await world.start_worker()
        world.order(run)
    world.phase("after")
    return []


def _by_worker(world: World, run: str) -> int:
    world.verdict(run)
    return sum(entry.kind == "acked" and entry.number.startswith(f"{run}.worker") for entry in world.entries)

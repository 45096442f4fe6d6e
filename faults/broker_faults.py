"""Faults of RabbitMQ."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from catmaid_notify.layers.loop_state import WATCH_SECONDS, WATCH_WAIT_SECONDS
from faults.checker import Verdict, slow_until
from faults.ending import to_thread
from faults.faults import BACK, Criterion, Measure, fault, p99, pushed_again
from faults.timings import BUSY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.world import World

ALARM = ("set_vm_memory_high_watermark", "absolute", "1MB")
NO_ALARM = ("set_vm_memory_high_watermark", "0.6")
DISK_ALARM = ("set_disk_free_limit", "100000GB")
NO_DISK_ALARM = ("set_disk_free_limit", "1MB")
REPAIRED_SECONDS = BUSY_SECONDS + WATCH_SECONDS + WATCH_WAIT_SECONDS
"""Limit for the repair of bindings. The layer notices lost ones by a message to itself, which no setting shortens."""


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
    await to_thread(world.broker.kill)
    await asyncio.sleep(world.span(10, 1))
    await to_thread(world.broker.start)
    healed = world.phase("after")
    return [pushed_again(healed, 15), _same(daphne, world)]


def _same(pid: int, world: World) -> Measure:
    restarts = float(world.daphne.pid != pid or world.daphne.exit_code is not None)
    return Measure(what="restarts of Daphne", value=restarts, most=0, unit="")


@fault("F10", "broker absent at start", after=20, lane="long")
async def absent(world: World) -> Sequence[Criterion]:
    run = world.run
    world.order("")
    for process in (world.daphne, world.gunicorn, world.worker):
        if process:
            await to_thread(process.kill)
    await to_thread(world.broker.kill)
    world.gunicorn = await to_thread(world.site.gunicorn)
    await world.start_daphne()
    began = time.monotonic()
    await world.start_worker(waits=False)
    world.order(run)
    await world.until(lambda: all(client.syncs[-1] > began for client in world.clients), 90)
    polling = max(min(at for at in client.syncs if at > began) for client in world.clients) - began
    await asyncio.sleep(world.span(10, 1))
    await to_thread(world.broker.start)
    healed = world.phase("after")
    worker = world.worker
    assert worker is not None
    await to_thread(worker.wait_for, r"@tests ready", timeout=60)
    await world.employ()
    world.order(run)
    live = await world.all_live()
    return [
        Measure(what="all ask the inbox after", value=polling, most=world.limit(66, "failureCapMs")),
        Measure(what="all live after", value=live, most=world.limit(375, *BACK)),
        pushed_again(healed, world.limit(375, *BACK)),
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
        await to_thread(worker.kill)
        await world.ctl(*NO_ALARM)
        await world.start_worker()
        world.order(run)
    world.phase("after")
    return []


def _by_worker(world: World, run: str) -> int:
    world.verdict(run)
    return sum(entry.kind == "acked" and entry.number.startswith(f"{run}.worker") for entry in world.entries)


@fault("F11", "memory and disk alarm", lane="long")
async def alarms(world: World) -> Sequence[Criterion]:
    run, depth = world.run, 0
    marks = [world.phase("during")]
    for alarm, end, seconds in ((DISK_ALARM, NO_DISK_ALARM, 90), (ALARM, NO_ALARM, 20)):
        await world.ctl(*alarm)
        try:
            began = time.monotonic()
            while time.monotonic() - began < world.span(seconds, 5):
                depth = max(depth, await _waiting(world))
                await asyncio.sleep(1)
        finally:
            await world.ctl(*end)
    healed = world.phase("after")
    await world.load(35, world.limit(0, *BACK))
    before: list[float] = []
    during: list[float] = []
    world.verdict(run)
    for entry in world.entries:
        if entry.kind == "acked" and entry.run == run and entry.at < healed:
            (during if entry.at > marks[0] else before).append(entry.seconds)
    flood = max(_burst([at for at in client.pushes if at > healed]) for client in world.clients)
    # In a short run the machine matters more than the app. The limit shows that the caller doesn't wait for a push.
    most_ms = 1000 * world.span(0.1, 1.5)
    most_pushes = world.span(100, 30)
    slower_ms = 1000 * (p99(during) - p99(before))
    return [
        Measure(what="notify_user p99 slower by", value=slower_ms, most=most_ms, unit="ms"),
        # A short run creates too few messages for a limit.
        Measure(what="messages waiting in the broker", value=depth, most=world.span(10_000, math.inf), unit=""),
        Measure(what="pushes to a client in the busiest second afterwards", value=flood, most=most_pushes, unit=""),
    ]


async def _waiting(world: World) -> int:
    listed = await world.ctl("list_queues", "-p", world.vhost, "--no-table-headers", "messages")
    return sum(int(line) for line in listed.split())


def _burst(times: list[float]) -> int:
    """Return the largest number of times that lie within one second."""
    return max((sum(at <= other < at + 1 for other in times) for at in times), default=0)


@fault("F13", "connections closed, permissions cleared, queue and exchange deleted under way", after=20, lane="long")
async def undermined(world: World) -> Sequence[Criterion]:
    lines = len(world.daphne.output.splitlines())
    marks = []
    connections = len((await world.ctl("list_connections", "pid")).splitlines())
    await world.ctl("close_all_connections", "--global", "closed by a test")
    marks.append(await _mark(world))
    accepted = _accepted(world)
    await world.ctl("clear_permissions", "-p", world.vhost, "guest")
    await world.ctl("close_all_connections", "--global", "closed by a test")
    cleared = time.monotonic()
    await asyncio.sleep(world.span(20, 4))
    tries = (_accepted(world) - accepted) / (time.monotonic() - cleared) / max(1, connections)
    await world.ctl("set_permissions", "-p", world.vhost, "guest", ".*", ".*", ".*")
    marks.append(await _mark(world))
    for queue in set(await world.bindings()):
        await world.ctl("delete_queue", "-p", world.vhost, queue)
    marks.append(await _mark(world))
    name = f'rabbit_misc:r(<<"{world.vhost}">>, exchange, <<"groups">>)'
    deleted = await world.ctl("eval", f'rabbit_exchange:delete({name}, false, <<"tests">>).')
    if deleted.strip() != "ok":
        raise RuntimeError(f"the exchange was not deleted: {deleted}")
    marks.append(await _mark(world))
    world.phase("after")
    lost = "\n".join(world.daphne.output.splitlines()[lines:]).count("Broker lost: purpose=receiving")

    limit = world.span(30, REPAIRED_SECONDS)

    def repaired(verdict: Verdict) -> Measure:
        # Messages after the next phase are affected by its fault.
        slowest = max(slow_until(verdict, begin, until=end) for begin, end in marks)
        return Measure(what="repaired after", value=slowest, most=limit)

    return [
        repaired,
        Measure(what="lines in the log for 5 deeds", value=lost, least=world.span(4, 2), most=5, unit=""),
        Measure(what="tries a second of one connection", value=tries, most=2, unit=""),
    ]


async def _mark(world: World) -> tuple[float, float]:
    """Let some time pass, and return its begin and end."""
    began = time.monotonic()
    await world.load(32, REPAIRED_SECONDS)
    return began, time.monotonic()


def _accepted(world: World) -> int:
    """Return the number of connections that the broker has accepted so far."""
    return sum(
        text.read_text(errors="replace").count("accepting AMQP") for text in world.broker.folder.glob("log/*.log")
    )

"""Faults of the database, of transactions and of pushes on their way."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import percentile
from faults.checker import Verdict
from faults.ending import to_thread
from faults.faults import Criterion, Measure, fault, shown_within
from faults.server_faults import commit_and_crash
from faults.timings import SHORT_SETTINGS
from tests.support import postgresql
from tests.support.process import PYTHON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.world import World

FAKETIME = str(next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "faketime is not installed"))
"""Library that, preloaded into a process, changes its clock."""
RECONCILED = re.compile(r"Reconciled: pushed=(\d+)")


@fault("F16", "database down")
async def database_down(world: World) -> Sequence[Criterion]:
    connects = {client: len(client.connects) for client in world.clients}
    name = world.site.database
    await _execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
    try:
        await _execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await asyncio.sleep(world.span(60, 7))  # longer than the interval between two rounds of the hub
    finally:
        await _execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
    # The console's connection is from before the outage.
    await world.console(world.site.run, "from django.db import connections; connections.close_all(); result = 1")
    world.phase("after")
    dropped = sum(len(client.connects) > connects[client] for client in world.clients)
    world.verdict(world.run)
    failed = [one for one in world.entries if one.run == world.run and one.kind == "failed"]
    unclean = [one for one in failed if one.note not in ("OperationalError", "InterfaceError")]
    return [
        Measure(what="sockets dropped", value=dropped, most=0, unit=""),
        Measure(what="calls that raised Django's error", value=len(failed), least=1, unit=""),
        Measure(what="others", value=len(unclean), most=0, unit=""),
    ]


async def _execute(statement: str) -> None:
    await to_thread(postgresql.execute, statement)


@fault("F18", "rollback, savepoint rollback, ATOMIC_REQUESTS, nested atomic")
async def rolled_back(world: World) -> Sequence[Criterion]:
    run = world.run
    await _transactions(world, "rollbacks", rounds=int(world.span(5, 1)))
    world.phase("after")

    def early(verdict: Verdict) -> Measure:
        # The process writes `acked` directly before it commits.
        shown = [one for one in world.entries if one.kind == "shown" and one.run == run]
        acked = {one.number: one.at for one in world.entries if one.kind == "acked" and ".transactions" in one.number}
        count = sum(one.at < acked[one.number] for one in shown if one.number in acked)
        return Measure(what="shown before their commit", value=count, most=0, unit="")

    return [early]


@fault("F21", "commit order is not the order of ids, pushes lost, clients ask in between")
async def commit_order(world: World) -> Sequence[Criterion]:
    newcomers = asyncio.ensure_future(_come_and_ask(world))
    await _transactions(world, "crossed", rounds=int(world.span(4, 1)))
    await world.remove_clients(await newcomers)
    world.phase("after")
    return [shown_within(world.limit(35, "RECONCILE_SECONDS"))]


async def _come_and_ask(world: World) -> list[Any]:
    newcomers = []
    for _ in range(int(world.span(8, 3))):
        newcomers += world.add_clients(5)
        await asyncio.sleep(1)
    return newcomers


async def _transactions(world: World, what: str, *, rounds: int, **env: str) -> None:
    users = [str(user.pk) for user in world.users]
    command: list[str | Path] = [PYTHON, "-m", "faults.transactions", what, world.journal, world.run, str(rounds)]
    process = await to_thread(world.site.start, what, *command, *users, env=env)
    code = await to_thread(process.wait, timeout=300)
    if code:
        raise RuntimeError(f"{what} failed:\n{process.tail()}")


@fault("F23", "layer full: capacity 1, burst of 1,000")
async def layer_full(world: World) -> Sequence[Criterion]:
    run = world.run
    options = '["default"]["CONFIG"].update(local_capacity=1, remote_capacity=1, publish_queue=1)'
    world.order("")
    await to_thread(world.daphne.stop)
    await world.start_daphne(settings=f"CHANNEL_LAYERS{options}")
    await world.all_live()
    world.order(run)
    await asyncio.sleep(1)
    started = world.phase("burst")
    await _transactions(world, "burst", rounds=int(world.span(1000, 200)), DJANGO_SETTINGS_MODULE="daphne_settings")
    world.phase("after")
    await asyncio.sleep(world.span(40, 5))
    world.order("")
    missed = sum(map(int, RECONCILED.findall(world.daphne.output)))
    await to_thread(world.daphne.stop)
    await world.start_daphne()
    await world.all_live()
    limit = world.limit(35, "RECONCILE_SECONDS")

    def healed(verdict: Verdict) -> Measure:
        slow = [one.seconds for one in verdict.showings if one.acked >= started]
        return Measure(what="shown after", value=max(slow, default=0), most=limit)

    world.order(run)
    return [Measure(what="pushes that were dropped, at least", value=missed, least=1, unit=""), healed]


@fault("F24", "pushes duplicated, reordered, delayed 30 s, dropped, 20 % each", lane="second")
async def pushes_astray(world: World) -> Sequence[Criterion]:
    run = world.run
    world.order("")
    await to_thread(world.daphne.stop)
    shim = 'CHANNEL_LAYERS["default"]["BACKEND"] = "faults.shim.AstrayLayer"'
    # Longer than the hub's reconciliation takes, so delayed messages come a second time.
    delay = world.span(30, 2 * SHORT_SETTINGS["CATMAID_NOTIFY_RECONCILE_SECONDS"])
    await world.start_daphne(settings=shim, FAULTS_SEED=str(world.seed), FAULTS_DELAY=str(delay))
    await world.all_live()
    world.order(run)
    await asyncio.sleep(world.span(40, 8))
    world.order("")
    await asyncio.sleep(delay + world.span(5, 1))  # so that delayed messages arrive while the load runs
    await to_thread(world.daphne.stop)
    await world.start_daphne()
    await world.all_live()
    world.phase("after")
    world.order(run)
    return [shown_within(world.limit(35, "RECONCILE_SECONDS"))]


@fault("F25", "clocks ± 1 h, jumping", lane="second")
async def clocks(world: World) -> Sequence[Criterion]:
    run = world.run
    world.order("")
    clock = world.site.folder / "clock"
    clock.write_text("+1h")
    # Debian's libfaketime breaks the system call of time.sleep().
    cure = world.site.folder / "sitecustomize.py"
    cure.write_text("import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n")
    fake = {
        "LD_PRELOAD": FAKETIME,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",  # seconds; without it, each look at the clock opens that file
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    await to_thread(world.daphne.stop)
    await to_thread(world.gunicorn.stop)
    await world.start_daphne(**fake)
    world.gunicorn = await to_thread(_with, world, fake)
    await world.all_live()
    world.order(run)
    limit, found = world.limit(35, "RECONCILE_SECONDS"), []
    for offset in ("+1h", "-1h"):
        clock.write_text(offset)
        found.append(await _reconciled(world, limit))
    for offset in ("+0", "-1h", "+1h"):
        clock.write_text(offset)
        await asyncio.sleep(world.span(8, 1.5))
    cure.unlink()
    order = await world.console(world.site.run, ORDER)
    world.order("")
    await to_thread(world.daphne.stop)
    await to_thread(world.gunicorn.stop)
    await world.start_daphne()
    world.gunicorn = await to_thread(world.site.gunicorn)
    await world.all_live()
    world.phase("after")
    world.order(run)
    return [
        Measure(what="a lost push found after", value=max(found), most=limit),
        Measure(what="messages out of order by more than 1 s", value=order, most=0, unit=""),
        lambda verdict: Measure(what="shown p99", value=percentile(verdict.seconds or [0], 99)),
    ]


async def _reconciled(world: World, seconds: float) -> float:
    """Lose a push; return the seconds until all viewers had shown the message, or infinity."""
    number, run = await commit_and_crash(world), world.run
    return await world.until(lambda: all(lost != number for _, lost in world.verdict(run).lost), seconds)


ORDER = """
times = list(Message.objects.filter(title__startswith="F25.").order_by("id").values_list("time", flat=True))
result = sum((before - after).total_seconds() > 1 for before, after in zip(times, times[1:]))
"""


def _with(world: World, env: dict[str, str]) -> Any:
    before = dict(world.site.env)
    world.site.env.update(env)
    try:
        return world.site.gunicorn()
    finally:
        world.site.env.clear()
        world.site.env.update(before)

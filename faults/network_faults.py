"""Faults between browser and server: silence, offline, a proxy that is away or refuses upgrades."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from typing import TYPE_CHECKING

from faults.checker import Verdict
from faults.client import Client
from faults.ending import to_thread
from faults.faults import ASKED, BACK, Criterion, Measure, fault, pushed_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from faults.world import World
    from tests.support.site import User


@fault("F03", "Daphne stalled", lane="second")
async def stalled(world: World) -> Sequence[Criterion]:
    stopped = time.monotonic()
    world.daphne.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(world.span(90, 13))
    finally:
        world.daphne.signal(signal.SIGCONT)
    world.phase("after")
    asked = [min((at for at in client.syncs if at > stopped), default=float("inf")) for client in world.clients]
    left = [world.left_state(viewer, stopped) for viewer in world.viewers()]
    live = await world.all_live()
    return [
        Measure(what="all notice after", value=max(left) - stopped, most=world.limit(41, *ASKED)),
        Measure(what="all ask the inbox after", value=max(asked) - stopped, most=world.limit(41, *ASKED)),
        Measure(what="all live after", value=live, most=world.limit(math.inf, *BACK)),
    ]


@fault("F04", "path swallowed, both ways and one way")
async def swallowed(world: World) -> Sequence[Criterion]:
    """Swallow both directions for the tabs and half of the clients, and the server's answers for the other half."""
    # A page that was away for long shows only the newest 100 messages as new, so no more than that may come.
    world.order(world.run, share=world.span(1 / 3, 1))
    # The tabs of a browser share one socket. The server needs not find the other half silent: these clients close it.
    sockets = sum(client.port == world.link.port for client in world.clients) + world.size.browsers
    found_before = _silent(world)
    began = time.monotonic()
    world.link.swallows = world.other_link.swallows_answers = True
    try:
        server = await world.until(lambda: _silent(world) - found_before >= sockets, 60)
        await asyncio.sleep(max(0.0, began + world.span(120, 13) - time.monotonic()))
    finally:
        world.link.swallows = world.other_link.swallows_answers = False
    world.phase("after")
    left = [world.left_state(viewer, began) for viewer in world.viewers()]
    live = await world.all_live()
    return [
        Measure(what="found by clients after", value=max(left) - began, most=world.limit(40, *ASKED)),
        Measure(what="by the server after", value=server, most=world.limit(40, "PING_SECONDS", "PONG_SECONDS")),
        Measure(what="all live after", value=live, most=world.limit(math.inf, *BACK)),
    ]


def _silent(world: World) -> int:
    """Return the number of sockets that Daphne has closed because of silence."""
    return world.daphne.output.count("code=4408")


@fault("F05", "browser offline")
async def offline(world: World) -> Sequence[Criterion]:
    contexts = world.tabs.contexts if world.tabs else []
    await _set_offline(contexts, offline=True)
    await asyncio.sleep(world.span(50, 5))
    await _set_offline(contexts, offline=False)
    world.phase("after")
    return []


async def _set_offline(contexts: Iterable[object], *, offline: bool) -> None:
    for context in contexts:
        await context.set_offline(offline)  # type: ignore[attr-defined]


@fault("F06", "nginx reloaded, then stopped; its servers away (502) and hanging (504)", after=20, lane="second")
async def nginx_away(world: World) -> Sequence[Criterion]:
    nginx = world.nginx.process
    assert nginx is not None
    nginx.signal(signal.SIGHUP)
    await asyncio.sleep(world.span(5, 1))
    await to_thread(nginx.stop)
    await asyncio.sleep(world.span(30, 3))
    await to_thread(world.nginx.start)
    await to_thread(world.gunicorn.stop)
    await asyncio.sleep(world.span(10, 2))
    world.gunicorn = await to_thread(world.site.gunicorn)
    for pid in world.pids(world.gunicorn):
        _signal(pid, signal.SIGSTOP)
    await asyncio.sleep(world.span(16, 4))
    for pid in world.pids(world.gunicorn):
        _signal(pid, signal.SIGCONT)
    healed = world.phase("after")
    # A client that has failed to connect waits for minutes, and then shows only the newest hundred messages, by design.
    # That limit is not under test here, so fewer messages are created.
    world.order(world.run, share=world.span(0.2, 1))
    live = await world.all_live()
    world.order(world.run)
    return [
        Measure(what="all live after", value=live, most=world.limit(375, *BACK)),
        pushed_again(healed, world.limit(375, *BACK)),
    ]


def _signal(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)


@fault("F07", "no upgrade possible, then repaired", lane="long")
async def no_upgrade(world: World) -> Sequence[Criterion]:
    nginx = world.nginx.process
    assert nginx is not None
    world.nginx.configure(upgrade=False)
    nginx.signal(signal.SIGHUP)
    await asyncio.sleep(world.span(300, 12))
    world.nginx.configure()
    nginx.signal(signal.SIGHUP)
    world.phase("after")
    world.order("")  # this fault is about sockets, not about messages
    live = await world.all_live()

    limit = world.limit(66, "pollMs")

    def gap(verdict: Verdict) -> Measure:
        return Measure(what="longest gap", value=max(verdict.seconds, default=0), most=limit)

    return [gap, Measure(what="back to push after", value=live, most=world.limit(375, *BACK))]


@fault("F14", "Daphne and broker swallowed longer than two heartbeats", after=20, lane="long")
async def broker_swallowed(world: World) -> Sequence[Criterion]:
    run = world.run
    async with world.broker_behind_link() as link:
        world.order("")
        await to_thread(world.daphne.stop)
        port = f'CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = ["{world.amqp_url(link.port)}"]'
        await world.start_daphne(settings=port)
        await world.all_live()
        # A user whose group exists needs nothing of the broker; newcomers need a binding.
        newcomers = [await world.console(world.site.user, f"newcomer{n}") for n in range(int(world.span(30, 4)))]
        world.order(run)
        link.swallows = True
        began, answers = time.monotonic(), []
        while time.monotonic() - began < world.span(60, 12):  # longer than a handshake may take
            newcomers = newcomers[1:] + newcomers[:1]
            answers.append(await _handshake(world, newcomers[0]))
            await asyncio.sleep(0.5)
        link.swallows = False
        link.cut()
        healed = world.phase("after")
        live = await world.all_live()
        await world.load(20, world.limit(30, *BACK))
        world.order("")
        await to_thread(world.daphne.stop)
    await world.start_daphne()
    await world.all_live()
    return [
        Measure(what="longest handshake", value=max(answers), most=world.limit(10, "CONNECT_SECONDS")),
        Measure(what="all live after", value=live, most=world.limit(math.inf, *BACK)),
        pushed_again(healed, world.limit(30, "RECONCILE_SECONDS")),
    ]


async def _handshake(world: World, user: User) -> float:
    """Return the seconds until a newcomer gets a hello or a close code."""
    newcomer = Client(
        "newcomer",
        port=world.nginx.port,
        cookie=user.cookie,
        timings=world.timings,
        shown=lambda _number, _via: None,
    )
    began = time.monotonic()
    newcomer.start()
    try:
        # No messages are sent to this user, so the first frame is the hello. A close code comes instead of a hello.
        await world.until(lambda: newcomer.frames or newcomer.code is not None, 30)
    finally:
        await newcomer.stop()
    return time.monotonic() - began

"""Faults of clients: sleeping pages, switched users, clients that don't read, and all of them at once."""

from __future__ import annotations

import asyncio
import json
import math
import resource
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.proc import cpu_seconds
from faults.checker import Verdict
from faults.ending import to_thread
from faults.faults import BACK, Criterion, Measure, fault, p99
from faults.timings import deadline
from faults.world import LIVE_SECONDS_SHORT
from tests.support.handshake import handshake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.async_api import BrowserContext

    from faults.world import World
    from tests.support.site import User


@fault("F26", "pages frozen, in the back/forward cache, hidden; switched user", lane="second")
async def pages_asleep(world: World) -> Sequence[Criterion]:
    contexts = world.tabs.contexts if world.tabs else []
    took = [await _freeze(world, number, context) for number, context in enumerate(contexts)]
    if world.tabs and contexts:
        for user in (world.users[-1], world.users[len(contexts) - 1]):
            await world.tabs.switch(contexts[-1], user)
            world.link.cut()  # forces a new handshake, which has the cookie of the other user
            await asyncio.sleep(world.span(20, 3))
    world.phase("after")
    most = world.limit(20, "leaderQuietMs", "leaderAnswerMs")
    return [Measure(what="another tab has the socket after", value=max(took), most=most)]


async def _freeze(world: World, number: int, context: BrowserContext) -> float:
    """Freeze the page that has the socket, navigate another one away, and hide the third.

    Returns the seconds until that third page had a socket. Playwright's pages never freeze by themselves. The debugger
    stops a page without any event before, which is the harder case.
    """
    browser = f"browser{number}"
    await world.until(lambda: len(world.tabs_live(browser)) == 1, LIVE_SECONDS_SHORT)
    (leader,) = world.tabs_live(browser)
    index = int(leader.partition("@")[0].partition(".")[2]) - 1
    frozen, away = context.pages[index], context.pages[index - 1]
    session = await context.new_cdp_session(frozen)
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    began = time.monotonic()
    await away.goto("/admin/login/")
    cover = await context.new_page()
    await cover.bring_to_front()
    most = world.span(20, deadline("leaderQuietMs", "leaderAnswerMs"))
    took = await world.until(lambda: world.tabs_live(browser) - {leader}, most)
    await asyncio.sleep(max(0.0, began + world.span(20, 6) - time.monotonic()))
    await cover.close()
    await session.send("Debugger.resume")
    await session.detach()
    await away.evaluate("history.back()")  # go_back() would wait for a load event, which never comes
    return took


@fault("F29", "1,000 clients come back at once", after=15)
async def herd(world: World) -> Sequence[Criterion]:
    count = int(world.span(1000, 40))
    # On a slow machine pages may be away for minutes. They then show only the newest hundred messages, by design.
    world.order(world.run, share=world.span(0.2, 1))
    await _restart_counting(world)
    herd = world.add_clients(count, port=world.nginx.port)
    await world.all_live(120)
    await to_thread(world.daphne.kill)
    counter = await _restart_counting(world)
    up = time.monotonic()
    await world.all_live(120)
    lives = [client.live_since - up for client in world.clients if client in herd]
    handshakes = world.daphne.output.count('"WSCONNECT /channels/updates/"')
    queries = counter.stat().st_size / max(1, handshakes)
    world.phase("after")
    await asyncio.sleep(world.span(5, 1))
    await world.remove_clients(herd)
    world.order(world.run)
    return [
        Measure(what="all live after", value=max(lives), most=world.limit(30, *BACK)),
        # Handshakes that come together share batched queries. None at all would mean that the counting failed.
        Measure(what="queries a handshake", value=queries, most=2, least=1e-6, unit=""),
    ]


async def _restart_counting(world: World):
    """Restart Daphne with counting of the queries of handshakes; return the file, which gets a byte for each query."""
    counter = world.site.folder / f"queries-{time.monotonic_ns()}"
    counter.touch()
    await to_thread(world.daphne.kill)
    await world.start_daphne(settings="from faults import counting  # noqa: F401", FAULTS_QUERIES=str(counter))
    return counter


@fault("F31", "file handles used up", after=15)
async def no_file_handles(world: World) -> Sequence[Criterion]:
    pid = world.daphne.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (int(world.span(128, 40)), hard))
    try:
        crowd = world.add_clients(int(world.span(300, 40)), port=world.nginx.port)
        await asyncio.sleep(world.span(45, 4))
        if world.short:
            await world.until(
                lambda: all(client.state in ("polling", "live") for client in crowd), deadline("giveUpMs")
            )
        cpu, began = cpu_seconds(pid), time.monotonic()
        await asyncio.sleep(world.span(15, 3))
        load = 100 * (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
        polling = sum(client.state == "polling" for client in crowd)
        neither = sum(client.state not in ("polling", "live") for client in crowd)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    world.phase("after")
    live = await world.all_live()
    await world.remove_clients(crowd)
    healed = time.monotonic()
    await asyncio.sleep(world.span(45, 10))  # longer than the silence after which a page gives up its socket
    world.verdict(world.run)
    lost = sum(world.left_state(client.name, healed) < math.inf for client in world.clients)
    return [
        Measure(what="sockets lost afterwards", value=lost, most=0, unit=""),
        Measure(what="clients that poll", value=polling, least=1, unit=""),
        Measure(what="neither live nor polling", value=neither, most=0, unit=""),
        Measure(what="CPU of Daphne", value=load, most=50, unit="%"),
        Measure(what="all live after", value=live, most=world.limit(375, *BACK)),
    ]


FLOOD = """
import time
for _ in range(count):
    api.msg_user(pk, "flood", "x" * 60_000)
    time.sleep(pause)
"""


SLOW = ("deaf", "dripping", "chatty")
SERVERS = ("daphne", "uvicorn")


@fault(
    "F22",
    "slow readers: one never reads, one at 1 byte/s, one never reads but sends; on Daphne and uvicorn",
    lane="second",
)
async def slow_readers(world: World) -> Sequence[Criterion]:
    user = await world.console(world.site.user, f"slow{time.monotonic_ns()}")
    silent, flooded, memory, spans = [], [], [], []
    for server in SERVERS:
        if server != "daphne":
            await to_thread(world.daphne.kill)
            await world.start_uvicorn()
            await world.all_live()
        began = time.monotonic()
        # They get only pings, so the server's pong deadline must end them.
        silent += await asyncio.gather(*[_be_slow(world, user, kind) for kind in SLOW])
        took, grown = await _flood(world, user)
        flooded += took
        memory.append(grown / len(SLOW))
        spans.append((began, time.monotonic()))
    await to_thread(world.daphne.kill)
    await world.start_daphne()
    world.phase("after")
    during = [at for at, name in world.phases if name == "during"][-1]

    def slower(verdict: Verdict) -> Measure:
        before = [one.seconds for one in verdict.showings if one.acked < during]
        beside = [one.seconds for one in verdict.showings if any(begin <= one.acked < end for begin, end in spans)]
        return Measure(
            what="others' p99 slower by",
            value=1000 * (p99(beside) - p99(before)),
            most=world.span(100, 2000),
            unit="ms",
        )

    limit = world.limit(40, "PING_SECONDS", "PONG_SECONDS")
    return [
        Measure(what="closed after", value=max(silent), most=limit),
        Measure(what="under a flood after", value=max(flooded), most=limit),
        Measure(what="memory for each", value=max(memory), most=8, unit="MB"),
        slower,
    ]


async def _flood(world: World, user: User) -> tuple[list[float], float]:
    """Send slow readers more than they read; return when each was closed, and the growth of the server in MB."""
    memory = most = world.resources()["daphne"][0]
    readers = [asyncio.ensure_future(_be_slow(world, user, kind)) for kind in SLOW]
    await asyncio.sleep(1)
    # In a short run, send so fast that the limit for memory, and not the next ping, ends them.
    pause = world.span(0.05, 0.005)
    flood = asyncio.ensure_future(world.console(world.site.run, FLOOD, pk=user.pk, count=400, pause=pause, timeout=90))
    while not all(reader.done() for reader in readers):
        most = max(most, world.resources()["daphne"][0])
        await asyncio.sleep(0.2)
    await flood
    return [reader.result() for reader in readers], most - memory


async def _be_slow(world: World, user: User, kind: str) -> float:
    """Open a socket directly to Daphne, and read slowly; return the time at which the server has closed it."""
    port = world.site.daphne_port
    protocol = "Sec-WebSocket-Protocol: catmaid-notify.v1"
    request = handshake(port, f"Origin: http://127.0.0.1:{port}", protocol, f"Cookie: {user.cookie}")
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(0)
        await loop.sock_connect(slow, ("127.0.0.1", port))
        await loop.sock_sendall(slow, request)
        while _is_open(slow) and time.monotonic() - began < 90:
            await asyncio.sleep(1)
            with suppress(OSError):  # nothing to read, no room to write, or closed by the server
                if kind == "dripping":
                    slow.recv(1)
                elif kind == "chatty":
                    slow.send(_masked({"event": "ping", "payload": {"nonce": "a"}}))
    return time.monotonic() - began


def _masked(frame: object) -> bytes:
    """Return a text frame of a client. Its mask of zeros keeps the text readable."""
    text = json.dumps(frame).encode()
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def _is_open(slow: socket.socket) -> bool:
    """Return true if the peer has neither closed nor reset the connection. No bytes are consumed."""
    established = 1
    return slow.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == established

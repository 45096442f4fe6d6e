"""Faults of those who look: pages that sleep, people who leave, clients that don't read, all of them at once."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.proc import cpu_seconds
from tests.faults.checker import Verdict
from tests.faults.faults import Criterion, Measure, fault, p99

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.world import World
    from tests.support.site import User


@fault("F26", "pages frozen, in the back/forward cache, hidden; switched user")
async def pages_asleep(world: World) -> Sequence[Criterion]:
    contexts = world.tabs.contexts if world.tabs else []
    for context in contexts:
        pages = context.pages
        session = await context.new_cdp_session(pages[0])
        await session.send("Page.setWebLifecycleState", {"state": "frozen"})
        await pages[1].goto("/admin/login/")
        cover = await context.new_page()
        await cover.bring_to_front()
        await asyncio.sleep(world.span(20, 3))
        await cover.close()
        await session.send("Page.setWebLifecycleState", {"state": "active"})
        await session.detach()
        await pages[1].evaluate("history.back()")  # Playwright's own waits for a load, and there is none
    if world.tabs and contexts:
        await world.tabs.switch(contexts[-1], world.users[-1])
        await asyncio.sleep(world.span(20, 3))
        await world.tabs.switch(contexts[-1], world.users[len(contexts) - 1])
        await asyncio.sleep(world.span(20, 3))
    world.phase("after")
    return []


@fault("F29", "1,000 clients come back at once", after=15)
async def herd(world: World) -> Sequence[Criterion]:
    count = int(world.span(1000, 40))
    await _restart_counting(world)
    herd = world.add_clients(count, port=world.nginx.port)
    await world.all_live(120)
    await asyncio.to_thread(world.daphne.kill)
    counter = await _restart_counting(world)
    up = time.monotonic()
    await world.all_live(120)
    lives = [client.live_since - up for client in world.clients if client in herd]
    handshakes = world.daphne.output.count('"WSCONNECT /channels/updates/"')
    queries = counter.stat().st_size / max(1, handshakes)
    world.phase("after")
    await asyncio.sleep(world.span(5, 1))
    await world.remove_clients(herd)
    return [
        Measure(what="all live after", value=max(lives), most=30),
        Measure(what="queries a handshake", value=queries, most=2, unit=""),
    ]


async def _restart_counting(world: World):
    """Restart Daphne so that it writes down each query of a handshake; return the file, a byte for each."""
    counter = world.site.folder / f"queries-{time.monotonic_ns()}"
    counter.touch()
    await asyncio.to_thread(world.daphne.kill)
    await world.start_daphne(settings="from tests.faults import counting  # noqa: F401", FAULTS_QUERIES=str(counter))
    return counter


@fault("F31", "file handles used up", after=15)
async def no_file_handles(world: World) -> Sequence[Criterion]:
    pid = world.daphne.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (int(world.span(128, 40)), hard))
    try:
        crowd = world.add_clients(int(world.span(300, 40)), port=world.nginx.port)
        await asyncio.sleep(world.span(45, 6))
        cpu, began = cpu_seconds(pid), time.monotonic()
        await asyncio.sleep(world.span(15, 3))
        load = 100 * (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
        polling = sum(client.state == "polling" for client in crowd)
        neither = sum(client.state not in ("polling", "live") for client in crowd)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    world.phase("after")
    live = await world.all_live(400)
    await world.remove_clients(crowd)
    return [
        Measure(what="clients that poll", value=polling, least=1, unit=""),
        Measure(what="neither live nor polling", value=neither, most=0, unit=""),
        Measure(what="CPU of Daphne", value=load, most=50, unit="%"),
        Measure(what="all live after", value=live, most=375),
    ]


FLOOD = """
import time
for _ in range(count):
    api.msg_user(pk, "flood", "x" * 60_000)
    time.sleep(0.05)
"""


@fault("F22", "slow readers under a flood: one never reads, one at 1 byte/s, one never reads but sends")
async def slow_readers(world: World) -> Sequence[Criterion]:
    user = await world.console(world.site.user, f"slow{time.monotonic_ns()}")
    memory = most = world.resources()["daphne"][0]
    readers = [asyncio.ensure_future(_be_slow(world, user, kind)) for kind in ("deaf", "dripping", "chatty")]
    await asyncio.sleep(1)
    flood = asyncio.ensure_future(world.console(world.site.run, FLOOD, pk=user.pk, count=400, timeout=90))
    while not all(reader.done() for reader in readers):
        most = max(most, world.resources()["daphne"][0])
        await asyncio.sleep(0.2)
    await flood
    healed = world.phase("after")
    during = [at for at, name in world.phases if name == "during"][-1]

    def slower(verdict: Verdict) -> Measure:
        before = [one.seconds for one in verdict.showings if one.acked < during]
        meanwhile = [one.seconds for one in verdict.showings if during <= one.acked < healed]
        return Measure(what="others' p99 slower by", value=1000 * (p99(meanwhile) - p99(before)), most=100, unit="ms")

    return [
        Measure(what="closed after", value=max(reader.result() for reader in readers), most=40),
        Measure(what="memory for each", value=(most - memory) / len(readers), most=8, unit="MB"),
        slower,
    ]


async def _be_slow(world: World, user: User, kind: str) -> float:
    """Open a socket straight to Daphne, and be slow; return when the server has given it up."""
    host = f"127.0.0.1:{world.site.daphne_port}"
    lines = [
        "GET /channels/updates/ HTTP/1.1",
        f"Host: {host}",
        f"Origin: http://{host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: catmaid-notify.v1",
        f"Cookie: {user.cookie}",
    ]
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(0)
        await loop.sock_connect(slow, ("127.0.0.1", world.site.daphne_port))
        await loop.sock_sendall(slow, ("\r\n".join(lines) + "\r\n\r\n").encode())
        while _is_open(slow) and time.monotonic() - began < 90:
            await asyncio.sleep(1)
            with suppress(OSError):  # nothing to read, no room to write, or the end
                if kind == "dripping":
                    slow.recv(1)
                elif kind == "chatty":
                    slow.send(_masked({"event": "ping", "payload": {"nonce": "a"}}))
    return time.monotonic() - began


def _masked(frame: object) -> bytes:
    """Return a text frame of a client; a mask of zeros leaves it readable."""
    text = json.dumps(frame).encode()
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def _is_open(slow: socket.socket) -> bool:
    """Say whether the other side has neither closed nor cut the connection; nothing is read for that."""
    established = 1
    return slow.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == established

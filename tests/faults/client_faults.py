"""Faults of those who look: pages that sleep, people who leave, clients that don't read, all of them at once."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from typing import TYPE_CHECKING

from bench.proc import cpu_seconds
from tests.faults.faults import Criterion, Measure, fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.world import World


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
        await pages[1].go_back()
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


@fault("F22", "slow readers: one that never reads, one at 1 byte/s, one that never reads but sends")
async def slow_readers(world: World) -> Sequence[Criterion]:
    memory = world.resources()["daphne"][0]
    readers = [asyncio.ensure_future(_slow(world, kind)) for kind in ("deaf", "dripping", "chatty")]
    closed = await asyncio.gather(*readers)
    grown = (world.resources()["daphne"][0] - memory) / len(readers)
    world.phase("after")
    return [
        Measure(what="closed after", value=max(closed), most=40),
        Measure(what="memory for each", value=grown, most=8, unit="MB"),
    ]


async def _slow(world: World, kind: str) -> float:
    """Open a socket straight to Daphne and be slow; return when the server gives it up."""
    user = world.users[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", world.site.daphne_port, limit=1024)
    began = time.monotonic()
    lines = [
        "GET /channels/updates/ HTTP/1.1",
        f"Host: 127.0.0.1:{world.site.daphne_port}",
        f"Origin: http://127.0.0.1:{world.site.daphne_port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: catmaid-notify.v1",
        f"Cookie: {user.cookie}",
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    before = world.daphne.output.count("code=4408")
    try:
        while world.daphne.output.count("code=4408") <= before and time.monotonic() - began < 60:
            if kind == "dripping":
                await asyncio.wait_for(reader.read(1), 5)
            elif kind == "chatty":
                frame = json.dumps({"event": "ping", "payload": {"nonce": "a"}}).encode()
                # A frame of a client is masked; a mask of zeros leaves it readable.
                writer.write(bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
            await asyncio.sleep(1)
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
    return time.monotonic() - began

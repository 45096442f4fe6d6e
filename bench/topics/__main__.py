"""Benchmark of topics: ``python -m bench.topics --help``."""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.figures import percentile
from bench.proc import cpu_seconds, rss_bytes
from bench.topics.clients import Client, all_got, connect
from tests.settings import INSTALLED_APPS
from tests.support.site import Site

SERVERS: Final = ("daphne", "uvicorn")
SETTLE_SECONDS: Final = 3.0
"""Seconds for the work of a server after the last socket has opened: storing presence, freeing memory."""
PUBLISH: Final = """
import time
due = time.monotonic()
for number in range(count):
    api.publish(f"bench:{number % topics}", "change", {"sent": time.time(), "number": number})
    due += 1 / rate
    time.sleep(max(0, due - time.monotonic()))
"""
SETTINGS: Final = {
    "INSTALLED_APPS": [*INSTALLED_APPS, "bench.topics"],
    "CATMAID_NOTIFY_SOCKETS_PER_USER": 100_000,
    "CATMAID_NOTIFY_TOPICS_PER_SOCKET": 100_000,
    "CATMAID_NOTIFY_UNACKED_BYTES_MAX": 1 << 30,  # these clients answer no pings
    "CATMAID_NOTIFY_PING_SECONDS": 3600,
}


def main() -> None:
    """Print a table with a row for each load and server."""
    options = _options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for name, fact in machine.describe().items():
        print(f"{name}: {fact}")
    print("\n| load | server | frames | CPU us/frame | p50 ms | p99 ms | KiB/subscription | subscribed in s |")
    print("|---|---|---|---|---|---|---|---|")
    for server in options.servers:
        for load in (_crowd, _many, _one_socket):
            with tempfile.TemporaryDirectory() as folder, Site.of(Path(folder), settings=SETTINGS) as site:
                process = site.daphne() if server == "daphne" else site.uvicorn()
                print(f"| {asyncio.run(load(site, process.pid, options, server))} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.topics", description=__doc__)
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=SERVERS)
    parser.add_argument(
        "--followers", type=int, default=5000, help="followers of one topic, and topics with one follower"
    )
    parser.add_argument("--topics", type=int, default=1000, help="topics on one socket")
    parser.add_argument("--rate", type=float, default=20, help="messages a second into the one topic")
    parser.add_argument("--seconds", type=float, default=10, help="duration of publishing")
    return parser.parse_args()


async def _crowd(site: Site, pid: int, options: argparse.Namespace, server: str) -> str:
    """Measure one topic that all sockets follow."""
    clients = await _connected(site, options.followers)
    topics = [(client, 0) for client in clients]
    count = int(options.rate * options.seconds)
    what = f"1 topic, {len(clients)} followers, {options.rate:g} messages/s"
    return await _measured(site, pid, f"{what} | {server}", topics, count=count, rate=options.rate, topics=1)


async def _many(site: Site, pid: int, options: argparse.Namespace, server: str) -> str:
    """Measure as many topics as sockets, with one follower each."""
    clients = await _connected(site, options.followers)
    topics = [(client, number) for number, client in enumerate(clients)]
    what = f"{len(clients)} topics, 1 follower each, 500 messages/s"
    return await _measured(site, pid, f"{what} | {server}", topics, count=len(clients), rate=500, topics=len(clients))


async def _one_socket(site: Site, pid: int, options: argparse.Namespace, server: str) -> str:
    """Measure many topics on one socket."""
    [client] = await _connected(site, 1)
    topics = [(client, number) for number in range(options.topics)]
    what = f"{options.topics} topics on 1 socket, 500 messages/s"
    return await _measured(
        site, pid, f"{what} | {server}", topics, count=options.topics, rate=500, topics=options.topics
    )


async def _connected(site: Site, count: int) -> list[Client]:
    return await connect(site.port, site.user("ann").cookie, count)


async def _measured(site: Site, pid: int, what: str, followed: list[tuple[Client, int]], **publishing: Any) -> str:
    """Follow, publish, and return a row of the table."""
    clients = list({client: None for client, _number in followed})
    each = len(followed) // len(clients)
    await asyncio.sleep(SETTLE_SECONDS)
    before, started = rss_bytes(pid), time.monotonic()
    for client, number in followed:
        client.say("subscribe", topic=f"bench:{number}", ref=number)
    await all_got(clients, 1 + each)
    took = time.monotonic() - started
    await asyncio.sleep(SETTLE_SECONDS)
    per_subscription = (rss_bytes(pid) - before) / len(followed) / 1024
    frames = publishing["count"] * len(followed) // publishing["topics"]
    cpu = cpu_seconds(pid)
    await asyncio.to_thread(site.run, PUBLISH, timeout=300, **publishing)
    await all_got(clients, 1 + each + frames // len(clients))
    cpu = cpu_seconds(pid) - cpu
    delays = [delay * 1000 for client in clients for delay in client.delays]
    for client in clients:
        client.close()
    p50, p99 = percentile(delays, 50), percentile(delays, 99)
    return f"{what} | {frames} | {cpu / frames * 1e6:.1f} | {p50:.1f} | {p99:.1f} | {per_subscription:.2f} | {took:.1f}"


if __name__ == "__main__":
    main()

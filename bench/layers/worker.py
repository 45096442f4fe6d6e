"""Process with one channel layer. Orders and answers are lines of JSON on stdin and stdout.

It runs in the environment of its layer, so it imports no other module of this project.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

TEXT = "x" * 100


class Worker:
    """Orders of the harness; each public method is one. A worker either joins and receives, or sends."""

    def __init__(self, backend: str, config: dict[str, Any]) -> None:
        module, _, name = backend.rpartition(".")
        self._layer = getattr(importlib.import_module(module), name)(**config)
        self._channels: list[str] = []
        self._receivers: list[asyncio.Task[None]] = []
        self._latencies_ns: list[int] = []
        self._last_ns = 0
        self._expected = 0
        self._all_here = asyncio.Event()

    async def versions(self, packages: Sequence[str]) -> dict[str, str]:
        """Return the versions of installed packages."""
        return {name: importlib.metadata.version(name) for name in packages}

    # Receiving

    async def join(self, prefix: str, groups: int, channels: int, at_once: int) -> float:
        """Create channels and add them to groups, group ``n`` to channel ``n`` in turn; return the seconds."""
        started = time.monotonic()
        made: list[str] = [""] * channels

        async def make(number: int) -> None:
            made[number] = await self._layer.new_channel()

        async def add(number: int) -> None:
            await self._layer.group_add(f"{prefix}{number}", made[number % channels])

        await _some_at_once(make, channels, at_once)
        await _some_at_once(add, groups, at_once)
        seconds = time.monotonic() - started
        self._channels += made
        return seconds

    async def listen(self) -> None:
        """Start to receive on all channels, each in its own task, as consumers do."""
        self._receivers = [asyncio.ensure_future(self._receive(channel)) for channel in self._channels]

    async def forget(self) -> None:
        """Reset the counters."""
        self._latencies_ns, self._last_ns, self._expected = [], 0, 0
        self._all_here.clear()

    async def received(self, count: int, quiet: float) -> dict[str, Any]:
        """Return the latencies, and the time of the last message.

        Waits until ``count`` messages have come since `forget`, or none for ``quiet`` seconds.
        """
        self._expected = count
        while len(self._latencies_ns) < count:
            before = len(self._latencies_ns)
            try:
                async with asyncio.timeout(quiet):
                    await self._all_here.wait()
            except TimeoutError:
                if len(self._latencies_ns) == before:
                    break
        return {"latencies_ns": self._latencies_ns, "last_ns": self._last_ns}

    async def settle(self) -> None:
        """Collect garbage before memory is measured."""
        gc.collect()

    async def _receive(self, channel: str) -> None:
        while True:
            message = await self._layer.receive(channel)
            self._last_ns = time.monotonic_ns()
            self._latencies_ns.append(self._last_ns - message["sent_ns"])
            if len(self._latencies_ns) == self._expected:
                self._all_here.set()

    # Sending. All processes of a machine share the monotonic clock.

    async def send_at(self, prefix: str, groups: int, rate: float, seconds: float) -> dict[str, int]:
        """Send at a steady rate, whether earlier calls have returned or not."""
        count = int(rate * seconds)
        first_ns = time.monotonic_ns()
        tasks = []
        for number in range(count):
            wait = first_ns / 1e9 + number / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.ensure_future(self._send(f"{prefix}{number % groups}", time.monotonic_ns())))
        await asyncio.gather(*tasks)
        return {"sent": count, "first_ns": first_ns}

    async def send_for(self, prefix: str, groups: int, seconds: float, in_flight: int) -> dict[str, int]:
        """Send as fast as possible for ``seconds``, with ``in_flight`` concurrent calls."""
        first_ns = time.monotonic_ns()
        end_ns = first_ns + int(seconds * 1e9)
        sent = 0

        async def sender() -> None:
            nonlocal sent
            while time.monotonic_ns() < end_ns:
                sent += 1
                await self._send(f"{prefix}{sent % groups}", time.monotonic_ns())

        await asyncio.gather(*[sender() for _ in range(in_flight)])
        return {"sent": sent, "first_ns": first_ns}

    async def send_count(self, prefix: str, groups: int, count: int, in_flight: int) -> dict[str, int]:
        """Send ``count`` messages as fast as possible, with ``in_flight`` concurrent calls."""
        first_ns = time.monotonic_ns()
        await _some_at_once(lambda n: self._send(f"{prefix}{n % groups}", time.monotonic_ns()), count, in_flight)
        return {"sent": count, "first_ns": first_ns}

    async def _send(self, group: str, now_ns: int) -> None:
        await self._layer.group_send(group, {"type": "bench.message", "sent_ns": now_ns, "text": TEXT})

    # The end

    async def end(self, calls: Sequence[str]) -> None:
        """Stop receiving, and call the methods that clean up the broker."""
        for task in self._receivers:
            task.cancel()
        await asyncio.gather(*self._receivers, return_exceptions=True)
        for call in calls:
            await getattr(self._layer, call)()


async def _some_at_once(work: Callable[[int], Awaitable[None]], count: int, at_once: int) -> None:
    """Call ``work(n)`` for each n below ``count``, with ``at_once`` concurrent calls."""
    numbers = iter(range(count))

    async def take() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*[take() for _ in range(min(at_once, count))])


async def _main(backend: str, config: dict[str, Any]) -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    worker = Worker(backend, config)
    while line := await orders.readline():
        order = json.loads(line)
        answer = await getattr(worker, order.pop("do"))(**order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], json.loads(sys.argv[2])))

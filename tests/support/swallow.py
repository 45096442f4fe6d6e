"""A TCP proxy that can swallow: connections stay open, and nothing arrives any more. Runs on the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Swallower:
    """Forwards a port; while ``swallows`` is set, what comes is read and thrown away, in both directions."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.swallows = False
        self.connections = 0
        """Connections that were opened so far."""

    def swallow_open(self) -> None:
        """Let the connections that are open now go dead; new ones work."""
        for task in self._tasks:
            task.get_coro().cr_frame.f_locals["state"]["dead"] = True  # type: ignore[union-attr]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        self.connections += 1
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._writers |= {writer, to_writer}
        state = {"dead": False}
        for source, target in ((reader, to_writer), (to_reader, writer)):
            task = asyncio.get_running_loop().create_task(self._pump(source, target, state))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, state: dict[str, bool]) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not self.swallows and not state["dead"]:
                    target.write(data)
                    await target.drain()
        if not self.swallows and not state["dead"]:
            target.close()

    def close(self) -> None:
        """Cut everything."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def swallower(to_port: int) -> AsyncIterator[Swallower]:
    """Run a proxy in front of ``to_port``."""
    made = Swallower(to_port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.close()

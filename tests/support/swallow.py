"""TCP proxy that can swallow bytes: connections stay open, but nothing arrives. It runs on the test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Swallower:
    """Forwards a port. While ``swallows`` is set, received bytes are dropped in both directions.

    ``swallows_answers`` drops only those of the server. If nothing listens, the connection is closed.
    """

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.swallows = False
        self.swallows_answers = False
        self.connections = 0
        """Number of connections so far."""

    def swallow_open(self) -> None:
        """Swallow the bytes of all open connections for ever; new connections work."""
        for task in self._tasks:
            task.get_coro().cr_frame.f_locals["state"]["dead"] = True  # type: ignore[union-attr]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        self.connections += 1
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_writer}
        state = {"dead": False}
        for source, target, is_answer in ((reader, to_writer, False), (to_reader, writer, True)):
            task = asyncio.get_running_loop().create_task(self._pump(source, target, state, is_answer=is_answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, state: dict[str, bool], *, is_answer: bool
    ) -> None:
        def is_dead() -> bool:
            return self.swallows or state["dead"] or (is_answer and self.swallows_answers)

        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not is_dead():
                    target.write(data)
                    await target.drain()
        if not is_dead():
            target.close()

    def cut(self) -> None:
        """Close all connections; new connections work."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def swallower(to_port: int, *, host: str = "127.0.0.1") -> AsyncIterator[Swallower]:
    """Run a proxy in front of ``to_port``, on an address of this machine."""
    made = Swallower(to_port)
    server = await asyncio.start_server(made.serve, host, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()

"""Reverse proxy for a site with two servers: /channels/ goes to ASGI, everything else to WSGI.

If a server is down it answers 502, as nginx does. It runs in a thread of the test process.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HEAD_BYTES_MAX = 64 * 1024


class Proxy:
    """Listening port that forwards each connection by the path of its request."""

    def __init__(self, upstream: Callable[[str], int]) -> None:
        """Create a proxy. ``upstream`` returns the port of 127.0.0.1 that serves a path."""
        self._upstream = upstream
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_BYTES_MAX)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def stop(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a peer has closed the connection, or the test is over
        finally:
            self._connections.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode("latin-1")
        if not re.search(rb"\r\nupgrade:", head, re.IGNORECASE):
            # One request for each connection, since the next one may be for the other server.
            head = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)
            head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._upstream(path))
        except OSError:
            writer.write(BAD_GATEWAY)
            await writer.drain()
            return
        to_writer.write(head)
        pumps = {asyncio.ensure_future(_pump(reader, to_writer)), asyncio.ensure_future(_pump(to_reader, writer))}
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            to_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()


@contextlib.contextmanager
def proxy(upstream: Callable[[str], int]) -> Iterator[int]:
    """Run a proxy, and yield its port."""
    front, started = Proxy(upstream), threading.Event()
    loop = asyncio.new_event_loop()
    ending = asyncio.Event()

    async def serve() -> None:
        async with await front.start():
            started.set()
            await ending.wait()
            await front.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="reverse proxy", daemon=True)
    thread.start()
    try:
        if not started.wait(10):
            raise TimeoutError("The reverse proxy did not start.")
        yield front.port
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(10)
        loop.close()

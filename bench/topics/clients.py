"""Cheap WebSocket clients, thousands in one process. They count frames, and time some of them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Iterable
from typing import Any, Final

from catmaid_notify.protocol import SUBPROTOCOL

AT_ONCE: Final = 100
"""Concurrent handshakes."""
SECONDS: Final = 300.0
PING: Final = 9
"""Opcode of a WebSocket ping. Servers close sockets that don't answer it."""
PONG: Final = 10


class Client(asyncio.Protocol):
    """One socket. It reads unmasked frames; the end of the handshake counts as the first one."""

    def __init__(self, *, times: bool) -> None:
        self.frames = 0
        self.delays: list[float] = []
        self._times = times
        self._buffer = b""
        self._is_open = False
        self._is_lost = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for sending."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Count the whole frames of the received bytes."""
        self._buffer += data
        if not self._is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                raise ConnectionError(head.decode())
            self._is_open, self._buffer = True, rest
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the tasks that wait for frames."""
        self._is_lost = True

    def say(self, event: str, **fields: Any) -> None:
        """Send a frame, masked with zeros."""
        text = json.dumps({"event": event, **fields}).encode()
        length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
        self._transport.write(b"\x81" + length + bytes(4) + text)

    async def got(self, count: int) -> None:
        """Wait for ``count`` frames in all."""
        async with asyncio.timeout(SECONDS):
            while self.frames < count and not self._is_lost:  # noqa: ASYNC110 - an event a frame would cost more than the frame
                await asyncio.sleep(0.01)
        if self.frames < count:
            raise ConnectionError(f"The server has closed a socket after {self.frames} of {count} frames.")

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()

    def _read(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) >= at + 2:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            if len(buffer) < start + length:
                break
            content = buffer[start : start + length]
            at, opcode = start + length, buffer[at] & 0x0F
            if opcode == PING:
                self._transport.write(bytes([0x80 | PONG, 0x80 | length]) + bytes(4) + content)
                continue
            if self._times and b'"sent"' in content:
                self.delays.append(time.time() - json.loads(content)["payload"]["sent"])
            self.frames += 1
        self._buffer = buffer[at:]


async def connect(port: int, cookie: str, count: int) -> list[Client]:
    """Open ``count`` sockets, and return them when all have got their hello."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Client:
        async with places:
            client = Client(times=number % 50 == 0)
            await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
            key = base64.b64encode(os.urandom(16)).decode()
            client._transport.write(
                f"GET /channels/updates/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
                f"Cookie: {cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
            )
            await client.got(1)
            return client

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def all_got(clients: Iterable[Client], count: int) -> None:
    """Wait until each client has ``count`` frames in all."""
    for client in clients:
        await client.got(count)

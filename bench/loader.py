"""Process that opens the sockets of many clients and times the frames, on orders of the harness."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Sequence
from typing import Any, TypedDict

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench import helper, pace

HANDSHAKE_SECONDS = 60
PING = b'"event":"ping"'
HELLO = b'"event":"hello"'


class Came(TypedDict):
    """Frames that have arrived."""

    count: int
    last_ns: int
    latencies_ns: list[int]


class Connected(TypedDict):
    """Result of opening the sockets."""

    open: int
    seconds: float
    failed: list[str]


class Arrivals:
    """Frames of all clients together."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.forget()

    def forget(self) -> None:
        """Reset the counters."""
        self.latencies_ns = array("q")
        self.last_ns = 0
        self.expected = 0
        self.changed.clear()

    def add(self, sent_ns: int) -> None:
        """Count a frame, and note its latency."""
        self.last_ns = pace.now_ns()
        self.latencies_ns.append(self.last_ns - sent_ns)
        if len(self.latencies_ns) == self.expected:
            self.changed.set()


class Client(WSListener):
    """One WebSocket. With the future ``live`` it uses our subprotocol, and the hello resolves the future."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self.live: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Handle a frame."""
        if frame.msg_type == WSMsgType.CLOSE:
            if not self.live.done():
                self.live.set_exception(ConnectionError(f"closed with {frame.get_close_code()}"))
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        data = frame.get_payload_as_bytes()
        if sent := pace.sent_ns(data):
            self._arrivals.add(sent)
        elif PING in data:
            transport.send(WSMsgType.TEXT, data.replace(PING, b'"event":"pong"'))
        elif HELLO in data and not self.live.done():
            self.live.set_result(None)


class Stream(asyncio.Protocol):
    """One stream of server-sent events."""

    def __init__(self, arrivals: Arrivals, request: bytes) -> None:
        self._arrivals = arrivals
        self._request = request
        self._rest = b""
        self.live: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request for the stream."""
        self.transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Handle the whole lines of the received bytes."""
        if not self.live.done():
            self.live.set_result(None)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if sent := pace.sent_ns(line):
                self._arrivals.add(sent)

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail the future on which `Loader.connect` waits for the stream's beginning."""
        if not self.live.done():
            self.live.set_exception(ConnectionError("closed"))

    def disconnect(self) -> None:
        """Close the connection."""
        self.transport.close()


class Loader:
    """Orders of the harness; each public method is one."""

    def __init__(self) -> None:
        self._arrivals = Arrivals()
        self._open: list[Any] = []

    async def connect(
        self, port: int, paths: Sequence[str], cookies: Sequence[str], *, dialect: str, at_once: int
    ) -> Connected:
        """Open a socket for each path, ``at_once`` at a time. ``dialect``: "v1", "plain", or "events" for streams."""
        jobs = iter(list(zip(paths, cookies or [""] * len(paths), strict=True)))
        failed: list[str] = []
        started = time.monotonic()

        async def take() -> None:
            for path, cookie in jobs:
                try:
                    connect = self._stream if dialect == "events" else self._socket
                    self._open.append(await connect(port, path, cookie, dialect=dialect))
                except Exception as error:  # noqa: BLE001 - whatever it is, it is what is reported
                    failed.append(f"{type(error).__name__}: {error}")

        await asyncio.gather(*[take() for _ in range(min(at_once, len(paths)))])
        return {"open": len(self._open), "seconds": time.monotonic() - started, "failed": failed}

    async def _socket(self, port: int, path: str, cookie: str, *, dialect: str) -> WSTransport:
        headers = {"Origin": f"http://127.0.0.1:{port}"}
        if cookie:
            headers["Cookie"] = cookie
        if dialect == "v1":
            headers["Sec-WebSocket-Protocol"] = "catmaid-notify.v1"
        client = Client(self._arrivals)
        transport, _ = await ws_connect(
            lambda: client,
            f"ws://127.0.0.1:{port}{path}",
            extra_headers=headers,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
        )
        if dialect == "v1":
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await client.live
        return transport

    async def _stream(self, port: int, path: str, cookie: str, *, dialect: str) -> Stream:
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: text/event-stream"]
        request = "\r\n".join([*lines, *([f"Cookie: {cookie}"] if cookie else []), "", ""]).encode()
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: Stream(self._arrivals, request), "127.0.0.1", port)
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await stream.live
        return stream

    async def forget(self) -> None:
        """Reset the counters."""
        self._arrivals.forget()

    async def received(self, count: int, quiet: float) -> Came:
        """Wait until ``count`` frames have arrived since `forget`, or none for ``quiet`` seconds; return the result."""
        here = self._arrivals
        here.expected = count
        while len(here.latencies_ns) < count:
            before = len(here.latencies_ns)
            try:
                async with asyncio.timeout(quiet):
                    await here.changed.wait()
            except TimeoutError:
                if len(here.latencies_ns) == before:
                    break
        return {"count": len(here.latencies_ns), "last_ns": here.last_ns, "latencies_ns": here.latencies_ns.tolist()}

    async def close(self) -> None:
        """Close all sockets."""
        for one in self._open:
            one.disconnect()
        self._open.clear()


async def _main() -> None:
    await helper.obey(Loader())


if __name__ == "__main__":
    uvloop.run(_main())

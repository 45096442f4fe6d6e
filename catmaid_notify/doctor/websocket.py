"""Small blocking WebSocket client that keeps the answer of a proxy that does not upgrade the connection."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any, Final, Self

from catmaid_notify.doctor.address import Address
from catmaid_notify.protocol import SUBPROTOCOL, Event

MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""GUID of RFC 6455, section 1.3."""
HEAD_BYTES_MAX: Final = 64 * 1024
FRAME_BYTES_MAX: Final = 2 * 1024 * 1024
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class NotUpgraded(Exception):
    """The server answered the handshake without an upgrade."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.body = body


class Closed(OSError):
    """The socket was closed. ``code`` is the server's; 1005 for a close frame without a code, 1006 without a frame."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class WebSocket:
    """One open socket. It answers pings of the WebSocket protocol and of our own while `wait_for` runs."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = b""
        self._nonces: dict[str, float] = {}

    @classmethod
    def opened(
        cls,
        address: Address,
        path: str,
        *,
        origin: str,
        cookie: str = "",
        headers: tuple[str, ...] = (),
        timeout: float,
    ) -> Self:
        """Connect and open a socket.

        Args:
            address: the site.
            path: absolute path of the socket, prefix included.
            origin: value of the ``Origin`` header.
            cookie: value of the ``Cookie`` header; empty: none.
            headers: further header lines.
            timeout: seconds for each answer of the network.

        Raises:
            NotUpgraded: the server answered with something else.
            OSError: errors of the network.
        """
        made = cls(connect(address, timeout))
        try:
            made._handshake(address, path, origin, cookie, headers)
        except BaseException:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Close without waiting for the server."""
        try:
            self._send(CLOSE, struct.pack(">H", 1000))
        except OSError:
            pass  # the peer has closed it already
        self._socket.close()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        """Return the next frame for which ``wanted`` is true; earlier ones are dropped.

        Raises:
            TimeoutError: no such frame came within ``seconds``.
            Closed: the server closed the socket.
        """
        deadline = time.monotonic() + seconds
        while True:
            frame = self._next(deadline)
            if frame.get("event") == Event.PING:
                self.send(Event.PONG, frame.get("payload"))
            if wanted(frame):
                return frame

    def send(self, event: str, payload: Any = None) -> None:
        """Send a frame of the subprotocol ``catmaid-notify.v1``."""
        self._send(TEXT, json.dumps({"event": event, "payload": payload}).encode())

    def ping(self, seconds: float) -> float:
        """Send a ping of our own, and return the seconds until its pong."""
        nonce, began = secrets.token_hex(4), time.monotonic()
        self.send(Event.PING, {"nonce": nonce})
        self.wait_for(lambda frame: frame == {"event": Event.PONG, "payload": {"nonce": nonce}}, seconds)
        return time.monotonic() - began

    def _handshake(self, address: Address, path: str, origin: str, cookie: str, headers: tuple[str, ...]) -> None:
        key = base64.b64encode(secrets.token_bytes(16))
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {address.host_header}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key.decode()}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
            f"Origin: {origin}",
            *([f"Cookie: {cookie}"] if cookie else []),
            *headers,
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status, answered = self._head()
        accept = base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest()).decode()
        if status != 101 or answered.get("sec-websocket-accept") != accept:
            raise NotUpgraded(status, answered, self._received[:1000])

    def _head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._received:
            if len(self._received) > HEAD_BYTES_MAX:
                raise ConnectionError(f"the answer to the handshake has more than {HEAD_BYTES_MAX} bytes of headers")
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if not first.startswith("HTTP/") or len(parts) < 2 or not parts[1].isdigit():
            raise ConnectionError(f"the answer to the handshake is not HTTP: {first[:80]!r}")
        pairs = (line.partition(":") for line in lines)
        return int(parts[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _next(self, deadline: float) -> dict[str, Any]:
        """Return the next frame that holds a JSON object."""
        while True:
            kind, data = self._read_frame(deadline)
            if kind == CLOSE:
                raise Closed(struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005)
            if kind == PING:
                self._send(PONG, data)
            if kind == TEXT:
                found = json.loads(data)
                if isinstance(found, dict):
                    return found

    def _read_frame(self, deadline: float) -> tuple[int, bytes]:
        first, second = self._read(2, deadline)
        size = second & 127
        if size >= 126:
            size = int.from_bytes(self._read(2 if size == 126 else 8, deadline))
        if size > FRAME_BYTES_MAX:
            raise ConnectionError(f"the server sent a frame of {size} bytes")
        return first & 15, self._read(size, deadline)

    def _read(self, count: int, deadline: float) -> bytes:
        while len(self._received) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("nothing came in time")
            self._socket.settimeout(left)
            self._more()
        found, self._received = self._received[:count], self._received[count:]
        return found

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise Closed(1006)
        self._received += data

    def _send(self, kind: int, data: bytes) -> None:
        mask = os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(data))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self._socket.sendall(bytes([0x80 | kind]) + size + mask + masked)


def connect(address: Address, timeout: float) -> socket.socket:
    """Return a connection to the site, with TLS for https."""
    connection = socket.create_connection((address.host, address.port), timeout)
    if not address.is_secure:
        return connection
    try:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=address.host)
    except BaseException:
        connection.close()
        raise

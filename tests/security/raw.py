"""A WebSocket client that does what no library lets one do: never read, read byte by byte, send what is not allowed."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.handshake import handshake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.site import Site, User

TEXT, BINARY, CONTINUATION, PING = 0x1, 0x2, 0x0, 0x9


class Raw:
    """An open WebSocket whose bytes are the test's own."""

    def __init__(self, connection: socket.socket, answer: bytes) -> None:
        self.connection = connection
        self.answer = answer
        """The server's answer to the handshake, as far as it has been read."""

    @property
    def port(self) -> int:
        return int(self.connection.getsockname()[1])

    def send(self, payload: bytes, *, opcode: int = TEXT, fin: bool = True) -> None:
        """Send one frame, masked with zeros."""
        head = bytes([opcode | (0x80 if fin else 0)])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 65536:
            head += bytes([0x80 | 126]) + struct.pack("!H", len(payload))
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", len(payload))
        self.connection.sendall(head + bytes(4) + payload)


@contextlib.contextmanager
def raw(site: Site, user: User, *, v1: bool = True, receive_bytes: int = 4096, headers: str = "") -> Iterator[Raw]:
    """Shake hands as that user, with a small window, and read nothing but the server's answer."""
    protocol = ["Sec-WebSocket-Protocol: catmaid-notify.v1"] if v1 else []
    more = [headers] if headers else []
    request = handshake(site.port, f"Origin: {site.url}", f"Cookie: {user.cookie}", *protocol, *more)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", site.port))
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(1)
        assert b" 101 " in answer, answer
        yield Raw(connection, answer)


def holds(site: Site, client_port: int) -> bool:
    """Return whether the ASGI server still has its end of a connection open, whatever the client has read of it."""
    server, client = f":{site.port:04X}", f":{client_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(server) and fields[2].endswith(client) and fields[9] != "0":
            return True
    return False


def memory_of(pid: int) -> int:
    """Return the bytes of memory that a process has in use."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"Process {pid} has ended.")

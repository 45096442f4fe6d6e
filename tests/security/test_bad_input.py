"""What no browser sends, on real servers: refused in one line of the log, and honest clients notice nothing."""

from __future__ import annotations

import re
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from tests.security.raw import BINARY, CONTINUATION, PING, TEXT, Raw, holds, memory_of, raw
from tests.support.handshake import handshake
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.process import Process
    from tests.support.site import Site, User

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

MEGABYTE = 1024 * 1024
SECURITY = re.compile(r"catmaid_notify\.security .*")
Served = tuple["Site", "Process", "User"]


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site of one ASGI server, and somebody with a session."""
    from tests.conftest import site_maker

    with site_maker(tmp_path_factory)() as site:
        server = getattr(site, request.param)()
        yield site, server, site.user("ann")


def security_lines(server: Process) -> list[str]:
    return SECURITY.findall(server.output)


def honest_client_is_served(site: Site, user: User) -> None:
    with site.socket(user) as socket_:
        socket_.wait_for("hello")
        site.run("api.msg_user(user, 'honest')", user=user)
        socket_.wait_for("honest")


# -- Handshakes


ORIGINS = {
    "none": [],
    "null": ["null"],
    "other port": ["http://127.0.0.1:1"],
    "other scheme": ["https://127.0.0.1:{port}"],
    "suffix": ["http://127.0.0.1:{port}.evil.example"],
    "user": ["http://127.0.0.1:{port}@evil.example"],
    "malformed": ["http://["],
    "two": ["http://127.0.0.1:{port}", "http://evil.example"],
    "two in one": ["http://127.0.0.1:{port}, http://evil.example"],
    "long": ["http://" + "a" * 4000],
}


@pytest.mark.parametrize("origins", ORIGINS.values(), ids=ORIGINS)
def test_origin__bad_one_is_refused(served: Served, origins: list[str]) -> None:
    site, server, user = served
    before, said = len(security_lines(server)), len(server.output)
    status = _handshake(site, user, [f"Origin: {origin.format(port=site.port)}" for origin in origins])
    assert status in (400, 403)
    if status == 403:
        [line] = eventually(lambda: security_lines(server)[before:])
        assert "why=origin code=403" in line
    assert "Traceback" not in server.output[said:]
    honest_client_is_served(site, user)


def test_handshake__permessage_deflate_is_bounded(served: Served) -> None:
    """Daphne negotiates no compression; on uvicorn a frame may not become larger than a message may be."""
    site, server, user = served
    with raw(site, user, headers="Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits") as client:
        if server.name == "daphne":
            assert b"permessage-deflate" not in client.answer
            return
        before = memory_of(server.pid)
        bomb = _deflated(64 * MEGABYTE)
        client.send(bomb, opcode=TEXT | 0x40)
        eventually(lambda: not holds(site, client.port))
        assert memory_of(server.pid) - before < 40 * MEGABYTE
    honest_client_is_served(site, user)


def _handshake(site: Site, user: User, headers: list[str]) -> int:
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        connection.sendall(handshake(site.port, f"Cookie: {user.cookie}", *headers))
        return int(connection.recv(4096).split()[1])


def _deflated(size: int) -> bytes:
    import zlib

    compressor = zlib.compressobj(9, zlib.DEFLATED, -12)
    return compressor.compress(b"a" * size) + compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]


# -- Frames


def ten_thousand_fragments(client: Raw) -> None:
    client.send(b"", fin=False)
    for _ in range(10_000):
        client.send(b"a", opcode=CONTINUATION, fin=False)
    client.send(b"", opcode=CONTINUATION)


def thousand_frames(client: Raw) -> None:
    for _ in range(1000):
        client.send(b"{}")


def ping_flood(client: Raw) -> None:
    for _ in range(10_000):
        client.send(b"a" * 125, opcode=PING)
    client.connection.shutdown(socket.SHUT_WR)


def too_large(client: Raw) -> None:
    client.send(b"a" * 1025)


def two_megabytes(client: Raw) -> None:
    client.send(b"a" * 2 * MEGABYTE, opcode=BINARY)


def no_utf8(client: Raw) -> None:
    client.send(b"\xff\xfe\xfd")


def reserved_opcode(client: Raw) -> None:
    client.send(b"a", opcode=0x7)


def unmasked(client: Raw) -> None:
    client.connection.sendall(b"\x81\x01a")


def length_that_never_comes(client: Raw) -> None:
    client.connection.sendall(b"\x81\xff" + struct.pack("!Q", 2**62) + bytes(4))


def half_a_frame(client: Raw) -> None:
    client.connection.sendall(b"\x81")
    client.connection.close()


FRAMES: list[Callable[[Raw], None]] = [
    ten_thousand_fragments,
    thousand_frames,
    ping_flood,
    too_large,
    two_megabytes,
    no_utf8,
    reserved_opcode,
    unmasked,
    length_that_never_comes,
    half_a_frame,
]


@pytest.mark.parametrize("attack", FRAMES)
def test_frames__bad_ones_end_their_socket_alone(served: Served, attack: Callable[[Raw], None]) -> None:
    site, server, user = served
    lines, memory, said = len(security_lines(server)), memory_of(server.pid), len(server.output)
    with raw(site, user, receive_bytes=1 << 20) as client:
        port = client.port
        try:
            attack(client)
        except OSError:
            pass  # cut off in its middle
        eventually(lambda: not holds(site, port), timeout=30)
    assert len(security_lines(server)) - lines <= 1
    assert memory_of(server.pid) - memory < 20 * MEGABYTE
    if attack is not no_utf8 or server.name != "uvicorn":  # that server tells of it with a traceback of its own
        assert "Traceback" not in server.output[said:]
    honest_client_is_served(site, user)

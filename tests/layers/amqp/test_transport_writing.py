"""The `SocketWriter`: the loop and other threads share it, and pieces stay whole and in order."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest

from catmaid_notify.layers.amqp.transport import SocketWriter

pytestmark = pytest.mark.real

SMALL = 4096
PIECES, THREADS = 300, 3


class Ends:
    """Both ends of a connection: the socket writer, and the bytes that arrive."""

    def __init__(self, one: SocketWriter, transport: asyncio.WriteTransport, other: socket.socket) -> None:
        self.socket_writer = one
        self.transport = transport
        self._other = other

    async def read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = await asyncio.get_running_loop().sock_recv(self._other, count - len(found))
            if not more:
                break
            found += more
        return found


class Protocol(asyncio.Protocol):
    """Makes the socket writer, as a `FrameInterceptor` does, and closes it."""

    socket_writer: SocketWriter

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.socket_writer = SocketWriter(cast("asyncio.WriteTransport", transport), asyncio.get_running_loop())

    def connection_lost(self, _error: Exception | None) -> None:
        self.socket_writer.close()
        self.lost.set()


@asynccontextmanager
async def connected(*, buffer: int = 0) -> AsyncIterator[Ends]:
    ours, other = socket.socketpair()
    for one in (ours, other):
        one.setblocking(False)  # noqa: FBT003 - its name for it
        if buffer:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    transport, protocol = await asyncio.get_running_loop().create_connection(Protocol, sock=ours)
    try:
        yield Ends(protocol.socket_writer, transport, other)
    finally:
        transport.abort()
        await protocol.lost.wait()
        other.close()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_try_write__from_another_thread_without_the_loop() -> None:
    async with connected() as ends:
        thread = threading.Thread(target=lambda: done.append(ends.socket_writer.try_write(b"at once")))
        done: list[bool] = []
        thread.start()
        thread.join()  # the loop has no turn meanwhile
        assert done == [True]
        assert await ends.read(7) == b"at once"


async def test_try_write__no_room__the_rest_follows_before_all_else() -> None:
    async with connected(buffer=SMALL) as ends:
        big = os.urandom(1_000_000)
        assert ends.socket_writer.try_write(big)
        assert not ends.socket_writer.try_write(b"not now")
        ends.socket_writer.write(b"behind")
        assert await ends.read(len(big) + 6) == big + b"behind"
        ends.socket_writer.write(b"")  # it is seen here that there is room again
        assert ends.socket_writer.try_write(b"now")
        assert await ends.read(3) == b"now"


async def test_try_write__no_room_at_all__comes_when_there_is() -> None:
    async with connected(buffer=SMALL) as ends:
        filling = 0
        with suppress(BlockingIOError):
            while True:
                filling += os.write(ends.socket_writer._handle, bytes(100))
        assert ends.socket_writer.try_write(b"last")
        assert await ends.read(filling + 4) == bytes(filling) + b"last"


async def test_try_write__while_the_loop_still_writes() -> None:
    async with connected(buffer=SMALL) as ends:
        ends.socket_writer.write(bytes(1_000_000))
        assert not ends.socket_writer.try_write(b"not now")


async def test_pieces__stay_whole_and_in_order_whoever_writes() -> None:
    """Threads and the loop write into a socket that is full most of the time."""
    async with connected(buffer=SMALL) as ends:
        loop = asyncio.get_running_loop()
        taken: list[bytes] = []

        def piece(who: int, number: int, size: int) -> bytes:
            return bytes((who,)) + number.to_bytes(4) + size.to_bytes(4) + bytes((who,)) * size

        def write(who: int) -> None:
            seeded = random.Random(who)
            for number in range(PIECES):
                one = piece(who, number, seeded.randrange(3000))
                if not ends.socket_writer.try_write(one):
                    loop.call_soon_threadsafe(ends.socket_writer.write, one)
                    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()

        async def read() -> None:
            while len(taken) < THREADS * PIECES:
                head = await ends.read(9)
                size = int.from_bytes(head[5:])
                body = await ends.read(size)
                assert body == bytes((head[0],)) * size
                taken.append(head)

        threads = [threading.Thread(target=write, args=(who,)) for who in range(THREADS)]
        for thread in threads:
            thread.start()
        await asyncio.wait_for(read(), 60)
        for thread in threads:
            await asyncio.to_thread(thread.join)
        for who in range(THREADS):
            assert [int.from_bytes(head[1:5]) for head in taken if head[0] == who] == list(range(PIECES))


async def test_close__nothing_is_written_any_more_and_no_file_is_left() -> None:
    files = _open_files()
    async with connected() as ends:
        pass
    assert not ends.socket_writer.try_write(b"late")
    assert _open_files() == files


async def test_try_write__the_other_end_is_gone__the_loop_says_so() -> None:
    async with connected() as ends:
        ends._other.close()
        assert ends.socket_writer.try_write(b"lost")
        assert not ends.socket_writer.try_write(b"later")


async def test_try_write__interrupted__the_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit of Celery may strike after half a frame."""

    def interrupted(_handle: int, _piece: bytes) -> int:
        raise KeyboardInterrupt

    async with connected() as ends:
        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ends.socket_writer.try_write(b"half")
        monkeypatch.undo()
        assert not ends.socket_writer.try_write(b"later")
        assert await ends.read(1) == b""  # closed


def test_tls__only_the_loop_writes() -> None:
    transport = Mock()
    transport.get_extra_info = {"sslcontext": object(), "socket": Mock()}.get
    transport.get_write_buffer_size.return_value = 0
    one = SocketWriter(transport, Mock())
    one.write(b"x")
    assert not one.try_write(b"y")
    transport.write.assert_called_once_with(b"x")


def test_no_file_handle_left__only_the_loop_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "dup", Mock(side_effect=OSError(24, "Too many open files")))
    transport = Mock()
    transport.get_extra_info = {"socket": Mock()}.get
    assert not SocketWriter(transport, Mock()).try_write(b"y")

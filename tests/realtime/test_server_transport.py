"""Access to the server's transport, with asyncio's and uvloop's. Tests with Daphne cover Twisted's."""

from __future__ import annotations

import asyncio
import select
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from catmaid_notify.realtime import server_transport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def poll_for_reset(connection: socket.socket) -> None:
    """Wait, without reading, until the peer has reset the connection."""
    poll = select.poll()
    poll.register(connection, 0)  # errors are reported all the same
    assert poll.poll(10_000), "not told"


class Protocol(asyncio.Protocol):
    """Fake of uvicorn's protocol: ``send`` is one of its methods."""

    transport: Any = None

    def __init__(self) -> None:
        self.made = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.made.set()

    async def send(self, message: Any) -> None:
        raise NotImplementedError


def run(main: Callable[[], Coroutine[Any, Any, None]], loop: str) -> None:
    if loop == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


@pytest.mark.parametrize("loop", LOOPS)
def test_cut__who_never_reads_is_told_and_nothing_waits_on(loop: str) -> None:
    async def main() -> None:
        made = Protocol()
        server = await asyncio.get_running_loop().create_server(lambda: made, "127.0.0.1", 0)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(server.sockets[0].getsockname())
            async with asyncio.timeout(10):
                await made.made.wait()
            made.transport.write(b"x" * 20_000_000)
            assert server_transport.unsent(made.send)
            server_transport.cut(made.send)
            await asyncio.to_thread(poll_for_reset, deaf)
            server_transport.cut(made.send)  # once more does nothing
        server.close()

    run(main, loop)


def test_cut__a_server_whose_transport_is_not_known() -> None:
    async def send(message: Any) -> None:
        raise NotImplementedError

    server_transport.cut(send)
    assert server_transport.unsent(send) is None

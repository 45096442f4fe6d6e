"""An ASGI server that is told to end, ends by itself, however many sockets it has, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.support.sockets import SUBPROTOCOL
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.support.site import Site, User

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

logger = logging.getLogger("tests")

EXIT_SECONDS = 5.0
AT_ONCE = 50
NOISE = ("Traceback", "Task was destroyed", "never retrieved", "never awaited", "ERROR")


async def open_sockets(site: Site, user: User, count: int) -> list[ClientConnection]:
    """Open so many sockets, a few at a time; each has been greeted."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> ClientConnection:
        async with gate:
            connection = await connect(
                f"ws://127.0.0.1:{site.port}/channels/updates/",
                origin=Origin(site.url),
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers={"Cookie": user.cookie},
                compression=None,
                ping_interval=None,
                proxy=None,
                open_timeout=60,
                close_timeout=1,
            )
            assert "hello" in str(await connection.recv())
            return connection

    return list(await asyncio.gather(*(one() for _ in range(count))))


@pytest.mark.parametrize(
    "settled",
    [pytest.param(True, id="settled", marks=pytest.mark.slow), pytest.param(False, id="right after handshakes")],
)
@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
async def test_sigterm__ends_by_itself(
    make_site: Callable[..., AbstractContextManager[Site]], name: str, count: int, *, settled: bool
) -> None:
    with make_site(settings={"CATMAID_NOTIFY_SOCKETS_PER_USER": 2 * count}) as site:
        server, user = getattr(site, name)(), site.user("ann")
        vhost = site.vhost
        assert vhost is not None
        connections = await open_sockets(site, user, count)
        assert vhost.rows("queues", "name")
        if settled:
            await asyncio.sleep(3)  # Daphne looks after its connections once a second
        told = time.monotonic()
        server.signal(signal.SIGTERM)
        code = await asyncio.to_thread(server.wait, timeout=30)
        took = time.monotonic() - told
        await asyncio.gather(*(connection.close() for connection in connections))
        logger.info("%s ended after %.1f s with exit code %d", name, took, code)
        assert took < EXIT_SECONDS
        assert code in (0, -signal.SIGTERM)
        assert [line for line in server.output.splitlines() if any(word in line for word in NOISE)] == []
        eventually(lambda: not vhost.rows("queues", "name"))
        # The default exchange binds each queue by its name.
        assert not vhost.rows("bindings", "source_name")

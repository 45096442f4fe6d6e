"""ASGI endpoints below ``/channels/``: the WebSocket for updates, and the health check.

They are plain ASGI applications without sync code: Daphne can't stop while a sync consumer waits for its event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from catmaid_notify.auth import origins
from catmaid_notify.auth.sign_in import SignIn, sign_in_of
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.protocol import SUBPROTOCOL, Close, user_key
from catmaid_notify.realtime import health, server_transport
from catmaid_notify.realtime.commands import CommandHandler, hello
from catmaid_notify.realtime.hub import Hub, get_hub
from catmaid_notify.realtime.socket import Socket

security_logger = logging.getLogger("catmaid_notify.security")
logger = logging.getLogger("catmaid_notify")

CLOSE_SECONDS: Final = 2.0
"""Deadline for the closing handshake; then the connection is aborted."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class UpdatesConsumer:
    """One WebSocket at ``/channels/updates/``. Its group comes from the session's user, never from a client's frame."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._user_key = "-"
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    def as_asgi(cls) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """Return the ASGI application."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await cls(scope, receive, send).run()

        return application

    async def run(self) -> None:
        """Serve the connection until it is closed."""
        await self._receive()  # websocket.connect
        if not origins.is_allowed(self._scope["headers"], secure=self._scope.get("scheme") == "wss"):
            self._log("origin", 403)
            await self._send({"type": "websocket.close"})
            return
        # Accept before the database is asked: scripts can read a close code, but not the status of a refused handshake.
        offered = [name for name in self._scope.get("subprotocols", ()) if name.startswith("catmaid-notify.")]
        is_v1 = SUBPROTOCOL in offered
        await self._send(
            {"type": "websocket.accept", "subprotocol": SUBPROTOCOL if is_v1 else next(iter(offered), None)}
        )
        if offered and not is_v1:
            await self._close_now(Close.OLD_DIALECT)
            return
        try:
            sign_in = await sign_in_of(self._scope)
        except Exception as error:  # noqa: BLE001 - the database is away, or a backend of the site fails
            reason = f"{type(error).__name__}: {error}"
            logger.warning("Socket refused, its sign-in can't be checked: reason=%s", reason)
            await self._close_now(Close.NO_BROKER)
            return
        if sign_in is None:
            await self._close_now(Close.NO_SESSION)
            return
        self._user_key = user_key(sign_in.user_pk)
        await self._serve(get_hub(), sign_in, is_v1=is_v1)

    async def _serve(self, hub: Hub, sign_in: SignIn, *, is_v1: bool) -> None:
        socket = Socket(self._send, sign_in=sign_in, is_v1=is_v1, on_close=self._close_soon)
        if hub.count(socket.group) >= conf.SOCKETS_PER_USER:
            await self._close_now(Close.TOO_MANY_SOCKETS)
            return
        try:
            await hub.join(socket)
            if is_v1:
                socket.push(hello(self._user_key))
            await self._listen(hub, socket)
        except BrokerUnavailable as error:
            logger.warning("Socket refused, no broker: reason=%s", error)
            await self._close_now(Close.NO_BROKER)
        finally:
            hub.leave(socket)

    async def _listen(self, hub: Hub, socket: Socket) -> None:
        commands = CommandHandler(socket, hub.subscriptions)
        while (event := await self._receive())["type"] != "websocket.disconnect":
            commands.handle(event)

    def _close_soon(self, code: int) -> None:
        """Close the socket in a task, for callers that must not wait, such as the hub."""
        self._closing = asyncio.get_running_loop().create_task(self._close_now(code))

    async def _close_now(self, code: int) -> None:
        if code != Close.NO_BROKER:
            self._log(Close(code).name.lower(), code)
        # The timer starts first: closing waits for a client that doesn't read.
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, server_transport.cut, self._send)
        try:
            await self._send({"type": "websocket.close", "code": int(code)})
        except Exception as error:  # noqa: BLE001 - servers raise different errors if the client has closed already
            logger.debug("Socket not closed, the client has closed it: reason=%r", error)

    def _log(self, why: str, code: int) -> None:
        origin = b",".join(value for name, value in self._scope["headers"] if name.lower() == b"origin")
        security_logger.info(
            "Socket refused: why=%s code=%d user=%.100r origin=%.100r",
            why,
            code,
            self._user_key,
            origin.decode("latin-1"),
        )


class HealthConsumer:
    """Health check at ``/channels/health/``: state of the broker, the database and the hub of this process, as JSON."""

    @classmethod
    def as_asgi(cls) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """Return the ASGI application."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            status, body = (405, b'{"error":"use GET"}')
            if scope["method"] in ("GET", "HEAD"):
                status, body = await health.report(get_hub())
            headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

        return application

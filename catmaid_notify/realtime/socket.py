"""Outgoing side of one WebSocket: sends frames without a task each, bounds unread bytes, pings the client."""

from __future__ import annotations

import asyncio
import secrets
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from catmaid_notify.auth.sign_in import SignIn
from catmaid_notify.conf import conf
from catmaid_notify.protocol import Close, Event, frame, user_group
from catmaid_notify.realtime import server_transport
from catmaid_notify.utils.asyncio import being_cancelled

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Socket:
    """Sends frames to one client. All methods belong to the hub's loop.

    Most ASGI servers take a frame without suspending. So `push` runs the coroutine of ``send`` up to its first
    suspension, without a task or a turn of the loop. If the coroutine does suspend (uvicorn, for a client that reads
    slowly), a task awaits the rest, and further frames wait in a bounded queue. Other sockets are not delayed.
    """

    __slots__ = (
        "_closing",
        "_nonce",
        "_on_close",
        "_pinged_at",
        "_queue",
        "_queued",
        "_send",
        "_unacked",
        "_unacked_at_ping",
        "_was_behind",
        "_writer",
        "group",
        "is_v1",
        "opened",
        "sign_in",
    )

    def __init__(self, send: Send, *, sign_in: SignIn, is_v1: bool, on_close: Callable[[int], None]) -> None:
        """Wrap an accepted WebSocket.

        Args:
            send: the ``send`` callable of the ASGI application.
            sign_in: user and session of the socket.
            is_v1: the client speaks `protocol.SUBPROTOCOL`, else the plain dialect.
            on_close: called once with the close code; must close the connection without blocking.
        """
        self._send = send
        self._on_close = on_close
        self._queue: deque[str] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._unacked = 0
        self._unacked_at_ping = 0
        self._queued = 0
        self._closing = False
        self._was_behind = False
        self._nonce = ""
        self._pinged_at = time.monotonic()
        self.opened = time.monotonic()
        self.sign_in = sign_in
        self.group = user_group(sign_in.user_pk)
        self.is_v1 = is_v1

    def push(self, text: str, size: int | None = None) -> None:
        """Send a frame, or queue it behind earlier ones. Never raises, never waits.

        A socket whose unread bytes exceed ``UNACKED_BYTES_MAX`` is closed with `Close.SILENT`.

        Args:
            text: the frame.
            size: its length in UTF-8, if the caller knows it.
        """
        if self._closing:
            return
        size = size_of(text) if size is None else size
        if self._unacked + size > conf.UNACKED_BYTES_MAX // 2:
            self._check_early()
        self._unacked += size
        if self._unacked > conf.UNACKED_BYTES_MAX:
            self.close(Close.SILENT)
        else:
            self._send_or_queue(text, size)

    def _send_or_queue(self, text: str, size: int) -> None:
        if self._closing:  # the ping of `_check_early` may have failed and closed the socket
            return
        if self._writer is not None:
            self._queue.append(text)
            self._queued += size
            return
        try:
            rest = _step(self._send({"type": "websocket.send", "text": text}))
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the caller still has to serve the other sockets
            self.close(Close.SILENT)
            return
        if rest is not None:
            self._writer = asyncio.get_running_loop().create_task(self._write(rest))

    def ping(self) -> None:
        """Send a ping with a new nonce, or close the socket if the answer to the last one is overdue."""
        if not self.is_v1:
            # Plain clients know no ping. The server's send buffer tells whether they read; data that has left it
            # counts as read.
            self._pinged_at = time.monotonic()
            self._unacked = self._unsent_bytes
            self._was_behind = self._unacked > 0
        elif not self._nonce:
            self._nonce = secrets.token_hex(8)
            self._pinged_at = time.monotonic()
            self._unacked_at_ping = self._unacked
            self.push(frame(Event.PING, {"nonce": self._nonce}))
        elif self.is_overdue:
            self.close(Close.SILENT)

    def pong(self, nonce: object) -> None:
        """Handle the answer to a ping: all bytes before that ping have been read. A wrong nonce is ignored."""
        if self._nonce and nonce == self._nonce:
            self._nonce = ""
            self._unacked -= self._unacked_at_ping

    @property
    def is_overdue(self) -> bool:
        """True if a ping has no answer after ``PONG_SECONDS``, or a plain client has left data unread that long."""
        if time.monotonic() - self._pinged_at < conf.PONG_SECONDS:
            return False
        return bool(self._nonce) or (self._was_behind and self._unsent_bytes > 0)

    @property
    def _unsent_bytes(self) -> int:
        """Bytes in the queue and, if known, in the server's send buffer."""
        return self._queued + (server_transport.unsent(self._send) or 0)

    def _check_early(self) -> None:
        """Check whether the client reads, before the unread bytes reach the limit."""
        if self.is_v1:
            if not self._nonce:
                self.ping()
        elif server_transport.unsent(self._send) is not None:
            self._unacked = self._unsent_bytes

    @property
    def is_closing(self) -> bool:
        """True once the socket sends nothing any more."""
        return self._closing

    def close(self, code: int) -> None:
        """Close the socket with one of the codes in `Close`. Queued frames are dropped."""
        if not self._closing:
            self.stop_sending()
            self._on_close(code)

    def stop_sending(self) -> None:
        """Drop queued frames, also the one whose ``send`` is suspended, and ignore further ones."""
        self._closing = True
        self._queue.clear()
        if self._writer is not None:
            self._writer.cancel()

    async def _write(self, rest: Awaitable[None]) -> None:
        try:
            await rest
            while self._queue:
                text = self._queue.popleft()
                self._queued -= size_of(text)
                await self._send({"type": "websocket.send", "text": text})
        except (Exception, asyncio.CancelledError):  # servers raise different errors if the client has gone
            self._writer = None
            if being_cancelled():
                raise
            self.close(Close.SILENT)  # frames are lost, so a client that is still there has to reconnect
        finally:
            self._writer = None


def size_of(text: str) -> int:
    """Return the length of ``text`` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _step(awaitable: Awaitable[None]) -> Awaitable[None] | None:
    """Run a coroutine to its first suspension; return an awaitable for the rest, ``None`` if it has ended."""
    if not isinstance(awaitable, Coroutine):
        return awaitable
    try:
        yielded = awaitable.send(None)
    except StopIteration:
        return None
    return _resume(awaitable, yielded)


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, None], yielded: Any) -> Generator[Any, Any, None]:
    """Resume a coroutine that `_step` has started. ``yielded`` is the future that it waits for."""
    while True:
        try:
            sent = yield yielded
        except BaseException as error:  # noqa: BLE001 - cancellation and errors belong to the coroutine
            try:
                yielded = coroutine.throw(error)
            except StopIteration:
                return
        else:
            try:
                yielded = coroutine.send(sent)
            except StopIteration:
                return

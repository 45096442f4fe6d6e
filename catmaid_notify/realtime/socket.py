"""One socket as the hub sees it: frames out without a task each, bounded, with a deadline for signs of life."""

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
    """Sends to one client. All methods belong to the hub's loop.

    Most ASGI servers take a frame without suspending, so a frame is sent by stepping the coroutine of ``send`` once:
    no task, no turn of the loop. Where it does suspend (uvicorn, when the client reads slowly), a task waits for the
    rest, and what comes meanwhile waits in a bounded queue; nobody else is delayed.
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
        """Send a frame, or queue it behind those that wait. Never raises, never waits.

        ``size`` is the length of ``text`` in UTF-8 where the caller knows it.
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
        if self._closing:  # by a ping that was to be sent before
            return
        if self._writer is not None:
            self._queue.append(text)
            self._queued += size
            return
        try:
            rest = _step(self._send({"type": "websocket.send", "text": text}))
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the other sockets get their frames all the same
            self.close(Close.SILENT)
            return
        if rest is not None:
            self._writer = asyncio.get_running_loop().create_task(self._write(rest))

    def ping(self) -> None:
        """Ask for a sign of life that only this ping's nonce gives, or close when the last one got none."""
        if not self.is_v1:
            # Plain clients know no ping. What the server could not get rid of says as much; the rest counts no more.
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
        """Take the answer to a ping; a wrong nonce counts for nothing."""
        if self._nonce and nonce == self._nonce:
            self._nonce = ""
            self._unacked -= self._unacked_at_ping

    @property
    def is_overdue(self) -> bool:
        """Whether the last ping has waited for its answer too long, or a plain client has not read all the while."""
        if time.monotonic() - self._pinged_at < conf.PONG_SECONDS:
            return False
        return bool(self._nonce) or (self._was_behind and self._unsent_bytes > 0)

    @property
    def _unsent_bytes(self) -> int:
        """Bytes that wait to be sent, as far as is known."""
        return self._queued + (server_transport.unsent(self._send) or 0)

    def _check_early(self) -> None:
        """Find out before the limit whether the client reads: much was sent since it last said so."""
        if self.is_v1:
            if not self._nonce:
                self.ping()
        elif server_transport.unsent(self._send) is not None:
            self._unacked = self._unsent_bytes

    @property
    def is_closing(self) -> bool:
        """Whether nothing is sent any more."""
        return self._closing

    def close(self, code: int) -> None:
        """Close with one of `Close`; what waits is not sent any more."""
        if not self._closing:
            self.stop_sending()
            self._on_close(code)

    def stop_sending(self) -> None:
        """Send nothing any more, the frame included for which the server waits until the client reads."""
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
        except (Exception, asyncio.CancelledError):  # servers raise what they like when the client went meanwhile
            self._writer = None
            if being_cancelled():
                raise
            self.close(Close.SILENT)  # frames are lost: a client that is there after all has to come again
        finally:
            self._writer = None


def size_of(text: str) -> int:
    """Return the length of ``text`` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _step(awaitable: Awaitable[None]) -> Awaitable[None] | None:
    """Run a coroutine to its first suspension; return what is left of it, ``None`` when it has ended."""
    if not isinstance(awaitable, Coroutine):
        return awaitable
    try:
        yielded = awaitable.send(None)
    except StopIteration:
        return None
    return _resume(awaitable, yielded)


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, None], yielded: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that has been stepped: hand on what it waits for, and what comes back."""
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

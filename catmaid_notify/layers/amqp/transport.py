"""Between the socket of a broker connection and aiormq: the frames of the hot path go past it.

aiormq reads three frames for each delivery and one for each confirm, through a stream, a lock and a task that is woken
for them, and writes through a queue and another task; that costs more than all that we do with a message. So whoever
asks for the frames of a channel sees them as soon as the socket has them, and may write to the socket at once. All
else is left to aiormq: opening, authentication, TLS, heartbeats, declaring, closing, errors.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from catmaid_notify.layers.loop_thread import native_lock

HEADER: Final = struct.Struct(">BHI")
"""Type, channel number and size of a frame: AMQP 0-9-1, 4.2.3. One byte follows its payload."""
END: Final = 0xCE
METHOD, CONTENT_HEADER, CONTENT_BODY, _HEARTBEAT = 1, 2, 3, 8
"""Types of frames."""
KINDS: Final = (METHOD, CONTENT_HEADER, CONTENT_BODY, _HEARTBEAT)
HEARTBEAT: Final = HEADER.pack(_HEARTBEAT, 0, 0) + bytes((END,))
HEARTBEAT_SECONDS: Final = 1.0
"""How often aiormq is told that the broker lives when all that comes goes past it: it counts heartbeats."""

FrameHandler = Callable[[int, bytes], bool]
"""Gets type and payload of a frame; what it returns true for goes no further. It must not raise."""


class SocketWriter:
    """Thread-safe, non-blocking writer of whole frames to the socket of ``transport``; made on its loop.

    Waking the loop's thread for a message costs the caller more than writing it: two system calls, and then both
    threads wait for each other to let go of the interpreter. TLS keeps state, so only the loop writes to a TLS socket.
    """

    def __init__(self, transport: asyncio.WriteTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._lock = native_lock()
        self._handle = _duplicate_handle(transport)
        self._is_free = self._handle >= 0
        """Whether the socket has taken all that was written before."""
        self._unwritten = b""
        """The end of a piece that another thread has begun to write."""

    def write(self, piece: bytes) -> None:
        """Write now, or when the socket has room again; on the loop only."""
        with self._lock:
            left, self._unwritten = self._unwritten, b""
            self._transport.write(left + piece if left else piece)
            self._is_free = self._handle >= 0 and not self._transport.get_write_buffer_size()

    def try_write(self, piece: bytes) -> bool:
        """Write now if nothing waits, else return false; from any thread, never waits.

        A piece that is taken belongs to the connection, and is lost with it.
        """
        with self._lock:
            if not self._is_free:
                return False
            self._is_free = False
            try:
                self._unwritten = piece[os.write(self._handle, piece) :]
            except BlockingIOError:
                self._unwritten = piece
            except OSError:
                return True  # the loop learns of that by itself, and gives up what was under way
            except BaseException:
                # A signal's handler has raised (a time limit of Celery's, Ctrl-C): nobody knows what was written.
                self._loop.call_soon_threadsafe(self._transport.abort)
                raise
            if self._unwritten:
                self._loop.call_soon_threadsafe(self._write_unwritten)
            else:
                self._is_free = True
        return True

    def _write_unwritten(self) -> None:
        if self._unwritten:
            self.write(b"")

    def close(self) -> None:
        """Let go of the socket; on the loop only."""
        with self._lock:
            self._is_free = False
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


def _duplicate_handle(transport: asyncio.WriteTransport) -> int:
    """Return a file handle of our own for the socket: no other file gets it while we write. -1: there is none."""
    socket: Any = transport.get_extra_info("socket")
    if os.name != "posix" or socket is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    with suppress(OSError):  # none left
        return os.dup(socket.fileno())
    return -1


class FrameInterceptor(asyncio.StreamReaderProtocol):
    """The protocol of one connection. All methods but `try_write` belong to its loop."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        """``reader`` is aiormq's."""
        super().__init__(reader, loop=loop)
        self._loop = loop
        self._handlers: dict[int, FrameHandler] = {}
        self._partial_frame = b""
        """Of a frame whose end has not come yet."""
        self._passed_on_at = 0.0
        """When aiormq got something last."""
        self._socket: asyncio.Transport | None = None
        self._socket_writer: SocketWriter | None = None
        self._is_broken = False
        self._resume_timer: asyncio.TimerHandle | None = None

    def set_handler(self, channel_number: int, handler: FrameHandler) -> None:
        """Let ``handler`` see each frame of a channel from now on."""
        self._handlers[channel_number] = handler

    def write(self, frames: bytes) -> None:
        """Write whole frames to the socket, past what aiormq may still have in its queue."""
        if self._socket_writer is not None:
            self._socket_writer.write(frames)

    def try_write(self, frames: bytes) -> bool:
        """Write whole frames if the socket takes them at once; from any thread. Returns whether that is so."""
        socket_writer = self._socket_writer  # the loop may let go of it at any time
        return socket_writer is not None and socket_writer.try_write(frames)

    def pause_reading(self, seconds: float) -> None:
        """Leave what comes in the socket, for so long at most: then one look is enough for much."""
        if self._socket is not None and self._resume_timer is None and not self._socket.is_closing():
            self._socket.pause_reading()
            self._resume_timer = self._loop.call_later(seconds, self.resume_reading)

    def resume_reading(self) -> None:
        """End a `pause_reading`."""
        if self._socket is not None and self._resume_timer is not None:
            self._resume_timer.cancel()
            self._resume_timer = None
            if not self._socket.is_closing():
                self._socket.resume_reading()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        super().connection_made(transport)
        self._socket = cast("asyncio.Transport", transport)
        self._socket_writer = SocketWriter(self._socket, self._loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the socket."""
        if self._resume_timer is not None:
            self._resume_timer.cancel()
        self._socket = None
        if self._socket_writer is not None:
            self._socket_writer.close()
            self._socket_writer = None
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """Let aiormq see where the last frame was cut off."""
        if self._partial_frame:
            super().data_received(self._partial_frame)
        return bool(super().eof_received())

    def data_received(self, data: bytes) -> None:
        """Hand whole frames to those who take them, and all else to aiormq."""
        if not self._is_broken:
            data = self._handle_frames(self._partial_frame + data if self._partial_frame else data)
        if data:
            self._passed_on_at = self._loop.time()
            super().data_received(data)

    def _handle_frames(self, data: bytes) -> bytes:
        position, end = 0, len(data)
        left: list[bytes] = []
        while position + HEADER.size < end:
            kind, channel_number, size = HEADER.unpack_from(data, position)
            last = position + HEADER.size + size
            if last >= end and kind in KINDS:
                break
            if kind not in KINDS or data[last] != END:
                # No frame at all; a server that speaks another protocol says its name. aiormq has words for that.
                self._is_broken = True
                left.append(data[position:])
                position = end
                break
            handler = self._handlers.get(channel_number)
            if handler is None or not handler(kind, data[position + HEADER.size : last]):
                left.append(data[position : last + 1])
            position = last + 1
        self._partial_frame = data[position:]
        if position and not left and self._loop.time() - self._passed_on_at >= HEARTBEAT_SECONDS:
            return HEARTBEAT
        return b"".join(left)


class _Writer(asyncio.StreamWriter):
    """What aiormq writes to, so that no frame of its own gets into one of another thread's."""

    def __init__(self, transport: asyncio.WriteTransport, interceptor: FrameInterceptor, *args: Any) -> None:
        super().__init__(transport, interceptor, *args)
        self._interceptor = interceptor

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._interceptor.write(bytes(data))


class InterceptingTransportFactory(TransportFactory):
    """Connects as aiormq does, TCP or TLS, with a `FrameInterceptor` on the socket."""

    interceptor: FrameInterceptor | None = None
    """Of the connection that was made last."""

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection; called by aiormq.

        Raises:
            aiormq.exceptions.AMQPConnectionError: it can't be opened.
        """
        tls = kwargs.pop("ssl_context_provider")
        context = await tls.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        interceptor = FrameInterceptor(reader, loop)
        try:
            host, port = str(url.host), url.port or 0
            transport, _ = await loop.create_connection(lambda: interceptor, host, port, ssl=context, **kwargs)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        self.interceptor = interceptor
        return reader, _Writer(transport, interceptor, reader, loop)

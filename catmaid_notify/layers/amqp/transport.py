"""asyncio transport and protocol between a broker's socket and aiormq, with a fast path for frames.

aiormq reads three frames per delivery and one per confirm through a stream, a lock and a task, and writes through a
queue and another task. That costs more than the layer's own work on a message. So a `FrameHandler` gets the frames of
its channel directly from the socket, and the layer writes to the socket at once. aiormq does all the rest: opening,
authentication, TLS, heartbeats, declarations, closing, errors.
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
"""Frame types."""
KINDS: Final = (METHOD, CONTENT_HEADER, CONTENT_BODY, _HEARTBEAT)
HEARTBEAT: Final = HEADER.pack(_HEARTBEAT, 0, 0) + bytes((END,))
HEARTBEAT_SECONDS: Final = 1.0
"""Interval of heartbeat frames made for aiormq while handlers take all frames: it would take the broker for dead."""

FrameHandler = Callable[[int, bytes], bool]
"""Called with type and payload of a frame. If it returns true, aiormq does not get the frame. It must not raise."""


class SocketWriter:
    """Thread-safe, non-blocking socket writer for whole frames. Make it on the loop of ``transport``.

    Waking the loop's thread costs a caller more than writing the message itself: two system calls, and then both
    threads compete for the interpreter lock. A TLS connection has state, so only the loop writes to it.
    """

    def __init__(self, transport: asyncio.WriteTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._lock = native_lock()
        self._handle = _duplicate_handle(transport)
        self._is_free = self._handle >= 0
        """True if other threads may write: the socket has taken all data so far."""
        self._unwritten = b""
        """Rest of a piece that another thread could write in part only."""

    def write(self, piece: bytes) -> None:
        """Write now, or as soon as the socket has room; on the loop only."""
        with self._lock:
            left, self._unwritten = self._unwritten, b""
            self._transport.write(left + piece if left else piece)
            self._is_free = self._handle >= 0 and not self._transport.get_write_buffer_size()

    def try_write(self, piece: bytes) -> bool:
        """Write now, from any thread, without waiting; return false if earlier data is still unwritten.

        After a true result the connection owns the piece, and the piece may be lost with it.
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
                return True  # the loop gets the same error, and gives up the messages in flight
            except BaseException:
                # A signal handler has raised (Celery's time limit, Ctrl-C): it is unknown how much was written.
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
        """Close the duplicated file descriptor; on the loop only. Later calls of `try_write` return false."""
        with self._lock:
            self._is_free = False
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


def _duplicate_handle(transport: asyncio.WriteTransport) -> int:
    """Return a duplicate of the socket's file descriptor, -1 where other threads can't write to it.

    The original may be closed, and its number reused for another file, while another thread writes.
    """
    socket: Any = transport.get_extra_info("socket")
    if os.name != "posix" or socket is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    with suppress(OSError):  # no file descriptor left: the loop writes everything then
        return os.dup(socket.fileno())
    return -1


class FrameInterceptor(asyncio.StreamReaderProtocol):
    """asyncio protocol of one broker connection. All methods but `try_write` belong to its loop."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        """Make a protocol that feeds ``reader``, which aiormq reads from."""
        super().__init__(reader, loop=loop)
        self._loop = loop
        self._handlers: dict[int, FrameHandler] = {}
        self._partial_frame = b""
        """First bytes of a frame that has not arrived completely."""
        self._passed_on_at = 0.0
        """Loop time of the last data for aiormq."""
        self._socket: asyncio.Transport | None = None
        self._socket_writer: SocketWriter | None = None
        self._is_broken = False
        self._resume_timer: asyncio.TimerHandle | None = None

    def set_handler(self, channel_number: int, handler: FrameHandler) -> None:
        """Call ``handler`` with each further frame of a channel."""
        self._handlers[channel_number] = handler

    def write(self, frames: bytes) -> None:
        """Write whole frames to the socket, ahead of those in aiormq's write queue."""
        if self._socket_writer is not None:
            self._socket_writer.write(frames)

    def try_write(self, frames: bytes) -> bool:
        """Write whole frames, from any thread, without waiting; return false if earlier data is still unwritten."""
        socket_writer = self._socket_writer  # a copy: `connection_lost`, on the loop's thread, may set it to None
        return socket_writer is not None and socket_writer.try_write(frames)

    def pause_reading(self, seconds: float) -> None:
        """Stop reading from the socket for at most ``seconds``. One later read then gets many frames."""
        if self._socket is not None and self._resume_timer is None and not self._socket.is_closing():
            self._socket.pause_reading()
            self._resume_timer = self._loop.call_later(seconds, self.resume_reading)

    def resume_reading(self) -> None:
        """End a `pause_reading`, if there is one."""
        if self._socket is not None and self._resume_timer is not None:
            self._resume_timer.cancel()
            self._resume_timer = None
            if not self._socket.is_closing():
                self._socket.resume_reading()

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport and make its writer."""
        super().connection_made(transport)
        self._socket = cast("asyncio.Transport", transport)
        self._socket_writer = SocketWriter(self._socket, self._loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the transport and its writer."""
        if self._resume_timer is not None:
            self._resume_timer.cancel()
        self._socket = None
        if self._socket_writer is not None:
            self._socket_writer.close()
            self._socket_writer = None
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """Pass an incomplete frame on, so that aiormq reports the error."""
        if self._partial_frame:
            super().data_received(self._partial_frame)
        return bool(super().eof_received())

    def data_received(self, data: bytes) -> None:
        """Give complete frames to their handlers, and all other data to aiormq."""
        if not self._is_broken:
            data = self._handle_frames(self._partial_frame + data if self._partial_frame else data)
        if data:
            self._passed_on_at = self._loop.time()
            super().data_received(data)

    def _handle_frames(self, data: bytes) -> bytes:
        """Call the handlers with all complete frames; return the data for aiormq."""
        position, end = 0, len(data)
        left: list[bytes] = []
        while position + HEADER.size < end:
            kind, channel_number, size = HEADER.unpack_from(data, position)
            last = position + HEADER.size + size
            if last >= end and kind in KINDS:
                break
            if kind not in KINDS or data[last] != END:
                # Not an AMQP frame, as from a server of another protocol. aiormq raises the error.
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
    """Stream writer for aiormq, over `SocketWriter`: its frames must not be written into the middle of another one."""

    def __init__(self, transport: asyncio.WriteTransport, interceptor: FrameInterceptor, *args: Any) -> None:
        super().__init__(transport, interceptor, *args)
        self._interceptor = interceptor

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._interceptor.write(bytes(data))


class InterceptingTransportFactory(TransportFactory):
    """Transport factory of aiormq, TCP or TLS, that puts a `FrameInterceptor` on the socket."""

    interceptor: FrameInterceptor | None = None
    """Interceptor of the last connection, ``None`` before the first one."""

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection. aiormq calls this.

        Raises:
            aiormq.exceptions.AMQPConnectionError: the connection can't be opened.
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

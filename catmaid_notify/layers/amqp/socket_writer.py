"""The way out of a connection's socket: for its loop, and for any thread as long as the socket takes all at once.

To wake the loop's thread for a message costs the caller more than to write it: two system calls, and then both threads
wait for each other to let go of the interpreter. TLS keeps state, so there only the loop writes.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Any

from catmaid_notify.layers.loop_thread import native_lock


class SocketWriter:
    """Writes whole pieces, one after the other, whoever writes. Made on the loop of ``transport``."""

    def __init__(self, transport: asyncio.WriteTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._lock = native_lock()
        self._handle = _handle_of(transport)
        self._is_free = self._handle >= 0
        """Whether the socket has taken all that was written before."""
        self._left = b""
        """The end of a piece that another thread has begun to write."""

    def write(self, piece: bytes) -> None:
        """Write now, or when the socket has room again; on the loop only."""
        with self._lock:
            left, self._left = self._left, b""
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
                self._left = piece[os.write(self._handle, piece) :]
            except BlockingIOError:
                self._left = piece
            except OSError:
                return True  # the loop learns of that by itself, and gives up what was under way
            except BaseException:
                # A signal's handler has raised (a time limit of Celery's, Ctrl-C): nobody knows what was written.
                self._loop.call_soon_threadsafe(self._transport.abort)
                raise
            if self._left:
                self._loop.call_soon_threadsafe(self._write_left)
            else:
                self._is_free = True
        return True

    def _write_left(self) -> None:
        if self._left:
            self.write(b"")

    def close(self) -> None:
        """Let go of the socket; on the loop only."""
        with self._lock:
            self._is_free = False
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


def _handle_of(transport: asyncio.WriteTransport) -> int:
    """Return a file handle of our own for the socket: no other file gets it while we write. -1: there is none."""
    socket: Any = transport.get_extra_info("socket")
    if os.name != "posix" or socket is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    with suppress(OSError):  # none left
        return os.dup(socket.fileno())
    return -1

"""The connection below a socket: ASGI says neither how much of it is unsent, nor how to cut somebody off.

To a peer that doesn't read, a server closes politely, after all that waits has been sent: never. Daphne and uvicorn let
their transport be found behind ``send``. With other servers nothing is known and nobody cut off; their own limits hold.
"""

from __future__ import annotations

import socket
import struct
from functools import partial
from typing import Any, Final

RESET: Final = struct.pack("ii", 1, 0)
"""``struct linger``: closing drops what is unsent, and tells the peer (socket(7))."""


def unsent(send: Any) -> int | None:
    """Return how many bytes the server has taken and the system has not, ``None`` where that is not known."""
    transport = _transport(send)
    if hasattr(transport, "get_write_buffer_size"):  # asyncio's and uvloop's
        return int(transport.get_write_buffer_size())
    try:
        return len(transport.dataBuffer) - int(transport.offset) + int(transport._tempDataLen)  # Twisted's two buffers
    except AttributeError:
        return None


def cut(send: Any) -> None:
    """End the connection at once, whatever waits to be sent; does nothing where it has ended."""
    transport = _transport(send)
    if hasattr(transport, "abort"):
        # asyncio's drops only what it has itself; what the system has would wait on for a peer that never reads.
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        transport.abort()
    elif hasattr(transport, "abortConnection"):  # Twisted's, which resets it
        transport.abortConnection()


def _transport(send: Any) -> Any:
    # Daphne gives partial(handle_reply, protocol), uvicorn a method of its protocol.
    protocol = send.args[0] if isinstance(send, partial) and send.args else getattr(send, "__self__", None)
    return getattr(protocol, "transport", None)

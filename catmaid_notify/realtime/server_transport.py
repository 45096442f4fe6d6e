"""Access to the ASGI server's transport: bytes buffered, abort. ASGI has no calls for either.

A server closes a connection after it has sent all buffered data. If the peer doesn't read, that never happens. The
transports of Daphne and uvicorn can be reached through ``send``. With other servers both functions have no effect, and
the server's own limits apply.
"""

from __future__ import annotations

import socket
import struct
from functools import partial
from typing import Any, Final

RESET: Final = struct.pack("ii", 1, 0)
"""``struct linger`` that makes closing drop unsent data and reset the connection; see socket(7)."""


def unsent(send: Any) -> int | None:
    """Return the number of bytes in the server's send buffer, ``None`` for an unknown server.

    Args:
        send: the ``send`` callable of the ASGI application.
    """
    transport = _transport(send)
    if hasattr(transport, "get_write_buffer_size"):  # asyncio's and uvloop's
        return int(transport.get_write_buffer_size())
    try:
        return len(transport.dataBuffer) - int(transport.offset) + int(transport._tempDataLen)  # Twisted's two buffers
    except AttributeError:
        return None


def cut(send: Any) -> None:
    """Abort the connection and drop unsent data. Does nothing on an ended connection or with an unknown server.

    Args:
        send: the ``send`` callable of the ASGI application.
    """
    transport = _transport(send)
    if hasattr(transport, "abort"):
        # abort() drops asyncio's buffer only. The kernel would keep its own for a peer that never reads.
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        transport.abort()
    elif hasattr(transport, "abortConnection"):  # Twisted's, which resets it
        transport.abortConnection()


def _transport(send: Any) -> Any:
    # Daphne passes partial(handle_reply, protocol), uvicorn a bound method of its protocol.
    protocol = send.args[0] if isinstance(send, partial) and send.args else getattr(send, "__self__", None)
    return getattr(protocol, "transport", None)

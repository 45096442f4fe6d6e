"""Listening socket of the site. It is opened first, so that a taken port is reported at once."""

from __future__ import annotations

import errno
import socket


class CannotListen(Exception):
    """The address can't be used. The text says why, and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        CannotListen: the port is taken or reserved, or there is no such host.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family, backlog=512)
    except socket.gaierror as error:
        raise CannotListen(f"There is no host {host!r}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(
                f"Port {port} is taken: another program listens there. Choose another one: --port {port + 1}"
            ) from error
        if error.errno == errno.EACCES:
            raise CannotListen(f"Port {port} is reserved for the administrator. Choose one above 1023.") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise CannotListen(f"{host!r} is not an address of this machine.") from error
        raise

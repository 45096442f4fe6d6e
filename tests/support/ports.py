"""TCP ports of this machine."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Return true if that port accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0

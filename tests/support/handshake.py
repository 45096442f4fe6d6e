"""The bytes that ask for a WebSocket, for clients that do what no library lets one do."""

from __future__ import annotations


def handshake(port: int, *headers: str) -> bytes:
    """Return the request for the updates of the site at ``port``; ``headers`` are lines: who asks, and from where."""
    lines = [
        "GET /channels/updates/ HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()

"""Bytes of a WebSocket handshake, for clients that do things that no library permits."""

from __future__ import annotations


def handshake(port: int, *headers: str) -> bytes:
    """Return a handshake for the updates of the site at ``port``. ``headers`` are further lines: cookie, origin."""
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

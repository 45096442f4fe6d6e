"""Single HTTP requests from a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    """Header values by names in lower case."""
    body: bytes


async def get(port: int, path: str, headers: Mapping[str, str] | None = None, *, seconds: float = 15) -> Answer:
    """Request a path from a server of this machine.

    Raises:
        OSError: errors of the network.
        TimeoutError: no answer within ``seconds``.
        ValueError, EOFError: the answer is cut off.
    """
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            head, body = await reader.readuntil(b"\r\n\r\n"), await reader.read()
        finally:
            writer.close()
    status, *rest = head.decode("latin-1").rstrip().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    length = fields.get("content-length")
    if length is not None and len(body) < int(length):
        raise EOFError(f"{len(body)} of {length} bytes came")
    if fields.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Answer(status=int(status.split()[1]), headers=fields, body=body)


def _unchunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        body = rest[length + 2 :]
    raise EOFError("the last chunk is missing")

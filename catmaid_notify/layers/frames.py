"""The AMQP frames of the hot path: many messages to publish in one piece, and what comes in without a task for each.

aiormq starts a task, draws a random id and waits for a lock for each message that it publishes, and starts a task for
each that it delivers; that costs more than all that we do with one. All else on a connection is left to it: opening,
authentication, TLS, heartbeats, flow, declaring, errors. Frames are written into its write queue, and those of a
channel are taken where its connection puts them. Layout: AMQP 0-9-1, 4.2.3 and 4.2.6.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiormq import spec
from aiormq.abc import AbstractChannel, ChannelFrame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

_FRAME: Final = struct.Struct(">BHI")
_METHOD, _HEADER, _BODY = 1, 2, 3
_END: Final = b"\xce"
_OVERHEAD: Final = _FRAME.size + len(_END)
_PUBLISH: Final = struct.pack(">HHH", 60, 40, 0)
"""Class and method of ``basic.publish``, and a reserved field."""
_CONTENT: Final = struct.pack(">HH", 60, 0)
"""Class and weight of a content header."""
_TRANSIENT: Final = struct.pack(">HB", 1 << 12, 1)
"""The flags and the only property of a content header, ``delivery_mode``: a message is not kept on disk."""


def publish(channel_number: int, exchange: str, routing_key: str, body: bytes, frame_max: int) -> bytes:
    """Return the frames of one message; ``frame_max`` is the size of a frame in bytes as agreed with the broker.

    Raises:
        ValueError: a name is longer than 255 bytes.
    """
    names = _PUBLISH + _short(exchange) + _short(routing_key) + b"\0"
    header = _CONTENT + len(body).to_bytes(8, "big") + _TRANSIENT
    parts = [_frame(_METHOD, channel_number, names), _frame(_HEADER, channel_number, header)]
    piece_max = frame_max - _OVERHEAD
    parts += [
        _frame(_BODY, channel_number, body[start : start + piece_max]) for start in range(0, len(body), piece_max)
    ]
    return b"".join(parts)


def _frame(kind: int, channel_number: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, channel_number, len(payload)) + payload + _END


def _short(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError(f"AMQP takes names of up to 255 bytes, {text!r} has {len(raw)}.")
    return bytes((len(raw),)) + raw


def write(channel: AbstractChannel, frames: bytes) -> None:
    """Hand frames to the connection's writer.

    Raises:
        asyncio.QueueFull: the writer is behind.
    """
    channel.connection.write_queue.put_nowait(ChannelFrame(payload=frames, should_close=False))


async def send(channel: AbstractChannel, methods: Sequence[Any]) -> None:
    """Send methods that have no answer, many in one write; returns once the writer has them."""
    if methods:
        await channel.connection.write_queue.put(ChannelFrame.marshall(channel.number, methods))


def take(channel: AbstractChannel, taker: Callable[[Any], bool]) -> None:
    """Let ``taker``, which must not raise, see each frame of a channel; what it returns true for goes no further."""
    queue: asyncio.Queue[tuple[int, Any]] = channel.frames
    put = queue.put_nowait

    def tapped(item: tuple[int, Any]) -> None:
        if not taker(item[1]):
            put(item)

    # On the object: aiormq's connection reader puts frames there, waiting or not.
    vars(queue)["put_nowait"] = tapped


class Deliveries:
    """Puts deliveries together; a `take`\\ r for channels that consume."""

    def __init__(self, on_body: Callable[[bytes], None]) -> None:
        """``on_body`` takes the body of each message and must not raise."""
        self._on_body = on_body
        self._size = -1
        """Of the body under way; -1 between deliveries."""
        self._pieces: list[bytes] = []
        self._expects_header = False

    def __call__(self, frame: Any) -> bool:
        """Take a frame if it is part of a delivery."""
        if self._size >= 0 and isinstance(frame, ContentBody):
            self._pieces.append(frame.value)
            self._size -= len(frame.value)
        elif self._expects_header and isinstance(frame, ContentHeader):
            self._expects_header = False
            self._size = frame.body_size or 0
        elif isinstance(frame, spec.Basic.Deliver):
            self._expects_header = True
            self._pieces = []
            return True
        else:
            return False
        if self._size <= 0:
            self._size = -1
            self._on_body(b"".join(self._pieces))
        return True

"""Encoding and decoding of AMQP frames on the hot path: published messages, confirms, deliveries.

`transport` explains why aiormq does not handle them. Layout: AMQP 0-9-1, 4.2.3 and 4.2.6; ``basic.nack`` is a RabbitMQ
extension.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiormq.abc import AbstractChannel, ChannelFrame

from catmaid_notify.layers.amqp.transport import CONTENT_BODY, CONTENT_HEADER, END, HEADER, METHOD

_END: Final = bytes((END,))
_OVERHEAD: Final = HEADER.size + len(_END)
_PUBLISH: Final = struct.pack(">HHH", 60, 40, 0)
"""Class and method of ``basic.publish``, and a reserved field."""
_DELIVER, _ACK, _NACK = struct.pack(">HH", 60, 60), struct.pack(">HH", 60, 80), struct.pack(">HH", 60, 120)
"""Class and method of ``basic.deliver``, ``basic.ack`` and ``basic.nack``."""
_CONTENT: Final = struct.pack(">HH", 60, 0)
"""Class and weight of a content header."""
_TRANSIENT: Final = struct.pack(">HB", 1 << 12, 1)
"""Property flags and the only property of a content header: ``delivery_mode`` 1, not persistent."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """A publisher confirm: ack or nack of one message, or, with ``multiple``, of all up to that one."""

    delivery_tag: int
    multiple: bool
    refused: bool


def publish_frames(channel_number: int, exchange: str, routing_key: str, body: bytes, frame_max: int) -> bytes:
    """Return the frames that publish one message.

    Args:
        channel_number: number of the AMQP channel.
        exchange: name of the exchange.
        routing_key: routing key.
        body: encoded message; may be empty.
        frame_max: largest frame in bytes, as negotiated with the broker.

    Raises:
        ValueError: a name is longer than 255 bytes.
    """
    names = _PUBLISH + _short_string(exchange) + _short_string(routing_key) + b"\0"
    header = _CONTENT + len(body).to_bytes(8, "big") + _TRANSIENT
    parts = [_encode_frame(METHOD, channel_number, names), _encode_frame(CONTENT_HEADER, channel_number, header)]
    piece_max = frame_max - _OVERHEAD
    parts += [
        _encode_frame(CONTENT_BODY, channel_number, body[start : start + piece_max])
        for start in range(0, len(body), piece_max)
    ]
    return b"".join(parts)


def _encode_frame(kind: int, channel_number: int, payload: bytes) -> bytes:
    return HEADER.pack(kind, channel_number, len(payload)) + payload + _END


def _short_string(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError(f"The name {text!r} has {len(raw)} bytes; AMQP takes up to 255 bytes.")
    return bytes((len(raw),)) + raw


async def send(channel: AbstractChannel, methods: Sequence[Any]) -> None:
    """Queue methods without an answer in aiormq's writer, as one write."""
    if methods:
        await channel.connection.write_queue.put(ChannelFrame.marshall(channel.number, methods))


def parse_confirm(kind: int, payload: bytes) -> Confirm | None:
    """Return the publisher confirm in a frame, ``None`` for any other frame."""
    if kind != METHOD or payload[:4] not in (_ACK, _NACK):
        return None
    return Confirm(int.from_bytes(payload[4:12]), multiple=bool(payload[12] & 1), refused=payload[:4] == _NACK)


class DeliveryAssembler:
    """Assembles the frames of deliveries into messages. It is the `transport.FrameHandler` of a consuming channel."""

    def __init__(self, on_body: Callable[[bytes], None]) -> None:
        """Make an assembler that calls ``on_body`` with the body of each message. ``on_body`` must not raise."""
        self._on_body = on_body
        self._size = -1
        """Bytes of the current body that are still to come; -1 between deliveries."""
        self._pieces: list[bytes] = []
        self._expects_header = False

    def __call__(self, kind: int, payload: bytes) -> bool:
        """Take a frame; return true if it is part of a delivery."""
        if kind == CONTENT_BODY and self._size >= 0:
            self._pieces.append(payload)
            self._size -= len(payload)
        elif kind == CONTENT_HEADER and self._expects_header:
            self._expects_header = False
            self._size = int.from_bytes(payload[4:12])
        elif kind == METHOD and payload[:4] == _DELIVER:
            self._expects_header = True
            self._pieces = []
            return True
        else:
            return False
        if self._size <= 0:
            self._size = -1
            self._on_body(b"".join(self._pieces))
        return True

"""Encoding and decoding of AMQP frames, compared with pamqp."""

from __future__ import annotations

from typing import Any

import pamqp.frame
import pytest
from aiormq import spec
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from catmaid_notify.layers.amqp import frames

FRAME_MAX = 4096
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


def unmarshalled(raw: bytes) -> list[tuple[int, Any]]:
    """Decode frames with pamqp; return (channel number, frame) pairs."""
    found = []
    while raw:
        size, channel_number, frame = pamqp.frame.unmarshal(raw)
        found.append((channel_number, frame))
        raw = raw[size:]
    return found


@given(st.integers(1, 65_535), names, names, st.binary(max_size=3 * FRAME_MAX))
def test_publish__read_by_pamqp(channel_number: int, exchange: str, routing_key: str, body: bytes) -> None:
    raw = frames.publish_frames(channel_number, exchange, routing_key, body, FRAME_MAX)
    found = unmarshalled(raw)
    assert {number for number, _ in found} == {channel_number}
    method, header, *pieces = [frame for _, frame in found]
    assert isinstance(method, spec.Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory, method.immediate) == (
        exchange,
        routing_key,
        False,
        False,
    )
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    assert dict(header.properties) == dict(spec.Basic.Properties(delivery_mode=1))
    assert b"".join(piece.value for piece in pieces) == body


@pytest.mark.parametrize("size", [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, 2 * (FRAME_MAX - 8), 10 * FRAME_MAX])
def test_publish__no_frame_larger_than_agreed(size: int) -> None:
    rest = frames.publish_frames(1, "groups", "updates-1", b"x" * size, FRAME_MAX)
    while rest:
        used = pamqp.frame.unmarshal(rest)[0]
        assert used <= FRAME_MAX
        rest = rest[used:]


def test_publish__a_name_that_amqp_cannot_hold() -> None:
    frames.publish_frames(1, "groups", "k" * 255, b"", FRAME_MAX)
    with pytest.raises(ValueError, match="up to 255 bytes"):
        frames.publish_frames(1, "groups", "é" * 128, b"", FRAME_MAX)


@given(
    st.sampled_from([spec.Basic.Ack, spec.Basic.Nack]), st.integers(0, 2**63 - 1), st.booleans(), st.integers(1, 65_535)
)
def test_parse_confirm__as_pamqp_writes_it(kind: Any, delivery_tag: int, multiple: bool, number: int) -> None:  # noqa: FBT001
    (frame,) = split(pamqp.frame.marshal(kind(delivery_tag=delivery_tag, multiple=multiple), 1))
    assert frames.parse_confirm(*frame) == frames.Confirm(delivery_tag, multiple, refused=kind is spec.Basic.Nack)


def test_parse_confirm__other_frames_say_nothing() -> None:
    others = [*delivery(b"\0\x3c\0\x50 in a body"), spec.Basic.CancelOk(consumer_tag="c")]
    assert [frames.parse_confirm(*frame) for other in others for frame in split(pamqp.frame.marshal(other, 1))] == [
        None for _ in others
    ]


def split(raw: bytes) -> list[tuple[int, bytes]]:
    """Split encoded frames of one channel into (type, payload) pairs."""
    found = []
    while raw:
        size = int.from_bytes(raw[3:7])
        found.append((raw[0], raw[7 : 7 + size]))
        raw = raw[8 + size :]
    return found


def delivery(body: bytes, *, pieces: int = 1) -> list[Any]:
    """Return the frames of a delivery."""
    cut = [body[len(body) * n // pieces : len(body) * (n + 1) // pieces] for n in range(pieces)] if body else []
    deliver = spec.Basic.Deliver(consumer_tag="c", delivery_tag=1, exchange="", routing_key="")
    return [deliver, ContentHeader(body_size=len(body)), *map(ContentBody, cut)]


def taken(take: frames.DeliveryAssembler, frame: Any) -> bool:
    ((kind, payload),) = split(pamqp.frame.marshal(frame, 1))
    return take(kind, payload)


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(1, 5)), max_size=6))
def test_deliveries__put_together_in_order(messages: list[tuple[bytes, int]]) -> None:
    came: list[bytes] = []
    take = frames.DeliveryAssembler(came.append)
    for body, pieces in messages:
        assert all(taken(take, frame) for frame in delivery(body, pieces=pieces))
    assert came == [body for body, _ in messages]


def test_deliveries__what_belongs_to_others_is_left_to_them() -> None:
    came: list[bytes] = []
    take = frames.DeliveryAssembler(came.append)
    others = [
        spec.Basic.ConsumeOk(consumer_tag="c"),
        spec.Queue.BindOk(),
        ContentHeader(body_size=1),
        ContentBody(b"x"),
    ]
    assert not any(taken(take, frame) for frame in others)
    deliver, header, body = delivery(b"whole")
    assert taken(take, deliver)
    assert not taken(take, spec.Queue.BindOk())  # methods come between, as the broker likes
    assert taken(take, header)
    assert taken(take, body)
    assert came == [b"whole"]

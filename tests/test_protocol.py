from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from channels.layers import BaseChannelLayer
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st

from catmaid_notify import protocol
from catmaid_notify.exceptions import InvalidEvent
from catmaid_notify.protocol import Close, Event, check_event_name, frame, user_group, user_key

# Primary keys: integers, or what a model with keys of another type has.
INTEGERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
STRINGS = st.text(max_size=300) | st.from_regex(r"updates-[0-9]{1,3}|x[0-9a-f]{2,4}|h[0-9a-f]{64}|[0-9]{1,3}\n?")
KEYS = INTEGERS | STRINGS | st.uuids()
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


def recursion() -> list[Any]:
    itself: list[Any] = []
    itself.append(itself)
    return itself


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def test_user_group__integer_is_catmaids_name() -> None:
    assert user_group(7) == "updates-7"


@given(KEYS)
def test_user_group__is_a_valid_ascii_name(pk: Any) -> None:
    group = user_group(pk)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", group, re.ASCII)
    BaseChannelLayer().require_valid_group_name(group)


@given(KEYS, KEYS)
def test_user_group__is_injective(one: Any, another: Any) -> None:
    if type(one) is type(another) and one != another:
        assert user_group(one) != user_group(another)


@pytest.mark.parametrize("pk", ["7", "7\n", "\u0667", "updates-7", "x37", "", "\ud800", "a" * 1000])
def test_user_group__string_is_never_the_group_of_an_integer(pk: str) -> None:
    assert not re.match(r"updates-[0-9]", user_group(pk))


def test_user_group__true_is_not_user_1() -> None:
    truth: Any = True
    assert user_group(truth) != user_group(1)


@pytest.mark.parametrize(
    ("pk", "key"), [(7, "7"), (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"), ("ann", "ann")]
)
def test_user_key__is_text(pk: Any, key: str) -> None:
    assert user_key(pk) == key


@given(JSON)
def test_frame__holds_event_and_payload(payload: Any) -> None:
    assert json.loads(frame("a", payload)) == {"event": "a", "payload": payload}


def test_frame__holds_further_fields() -> None:
    assert json.loads(frame("a", 1, id=3, topic="t", ref="r")) == {
        "event": "a",
        "payload": 1,
        "id": 3,
        "topic": "t",
        "ref": "r",
    }


def test_frame__is_compact() -> None:
    assert frame("a", {"ü": [1, 2]}) == '{"event":"a","payload":{"ü":[1,2]}}'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (dt.datetime(2026, 11, 21, 3, 42, tzinfo=dt.UTC), "2026-11-21T03:42:00Z"),
        (dt.datetime(2026, 11, 21, 3, 42), "2026-11-21T03:42:00"),  # noqa: DTZ001  naive ones are sent as they are
        (dt.date(2026, 11, 21), "2026-11-21"),
        (Decimal("1.5"), "1.5"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (lazystr("finished"), "finished"),
    ],
)
def test_frame__writes_what_django_writes(value: Any, written: str) -> None:
    assert json.loads(frame("a", [value]))["payload"] == [written]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(object(), id="object"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param({"a": {1, 2}}, id="set"),
        pytest.param({(1, 2): 3}, id="key"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param({"\udc80": 1}, id="surrogate in a key"),
        pytest.param(10**5000, id="digits"),
        pytest.param(recursion(), id="recursion"),
        pytest.param(nested(100_000), id="depth"),
        pytest.param(dt.time(3, 42, tzinfo=dt.UTC), id="aware time"),
        pytest.param(ValueError("text"), id="exception"),
    ],
)
def test_frame__payload_that_is_no_json(payload: Any) -> None:
    with pytest.raises(InvalidEvent, match="'crop-done'"):
        frame("crop-done", payload)


@pytest.mark.parametrize("name", ["a", "crop finished", "ereignis-ü", "x" * 100])
def test_check_event_name__good(name: str) -> None:
    assert check_event_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 101, "a\n", "a\0", "\u202ea", "\ud800", None, 7, b"a", ["a"]])
def test_check_event_name__bad(name: Any) -> None:
    with pytest.raises(InvalidEvent, match="1 to 100 printable"):
        check_event_name(name)


@pytest.mark.parametrize("name", [str(event) for event in Event])
def test_check_event_name__reserved(name: str) -> None:
    with pytest.raises(InvalidEvent, match="reserved"):
        check_event_name(name)


@pytest.mark.parametrize("name", [str(event) for event in Event])
def test_check_event_name__what_goes_to_users_may_be_catmaids_new_message(name: str) -> None:
    if name == Event.NEW_MESSAGE:
        assert check_event_name(name, to_users=True) == name
        return
    with pytest.raises(InvalidEvent, match="reserved"):
        check_event_name(name, to_users=True)


def test_close__codes_are_those_of_the_client() -> None:
    assert {code.name: int(code) for code in Close} == {
        "NO_SESSION": 4401,
        "SILENT": 4408,
        "TOO_MANY_SOCKETS": 4409,
        "OTHER_USER": 4410,
        "OLD_DIALECT": 4412,
        "TOO_MANY_FRAMES": 4429,
        "NO_BROKER": 4503,
    }


def test_subprotocol__is_that_of_the_client() -> None:
    assert protocol.SUBPROTOCOL == "catmaid-notify.v1"

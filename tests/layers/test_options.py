"""Validation of the layer's CONFIG."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from catmaid_notify.layers import RabbitmqChannelLayer
from catmaid_notify.layers import codec as codec_module
from catmaid_notify.layers.options import LayerOptions


def node(url: str, **config: Any) -> tuple[str, int, str, str, str, bool]:
    only = LayerOptions.from_config({"host": url, **config}).nodes[0]
    return only.host, only.port, only.username, only.password, only.vhost, only.tls


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://u:p@rabbit:5673/v", ("rabbit", 5673, "u", "p", "v", False)),
        ("amqp://rabbit", ("rabbit", 5672, "guest", "guest", "/", False)),
        ("amqp://rabbit/", ("rabbit", 5672, "guest", "guest", "/", False)),
        ("amqp://u:p@rabbit//", ("rabbit", 5672, "u", "p", "/", False)),
        ("amqp://rabbit/%2f", ("rabbit", 5672, "guest", "guest", "/", False)),
        ("amqps://rabbit/v", ("rabbit", 5671, "guest", "guest", "v", True)),
        ("amqp://a%40b:p%2F%3A%25@[::1]:5672/a%2Fb", ("::1", 5672, "a@b", "p/:%", "a/b", False)),
    ],
)
def test_host__is_read(url: str, expected: tuple[Any, ...]) -> None:
    assert node(url) == expected


def test_username_and_password__as_keys_of_their_own_win() -> None:
    assert node("amqp://u:p@rabbit/v", username="x", password="y")[2:4] == ("x", "y")


def test_hosts__several_nodes_in_their_order() -> None:
    options = LayerOptions.from_config({"hosts": ["amqp://a", "amqp://b:5000"], "vhost": "v"})
    assert [(node.host, node.port, node.vhost) for node in options.nodes] == [("a", 5672, "v"), ("b", 5000, "v")]


def test_local_expiry__is_the_shorter_one() -> None:
    assert LayerOptions.from_config({"expiry": 60, "local_expiry": 5}).expiry == 5


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"hots": "amqp://a"}, "unknown key 'hots'"),
        ({"host": "rabbit:5672"}, "must look like amqp://"),
        ({"host": "http://rabbit"}, "'http'"),
        ({"host": "amqp://rabbit:port/"}, "must look like amqp://"),
        ({"host": "amqp://"}, "must look like amqp://"),
        ({"host": "amqp://a", "hosts": ["amqp://b"]}, "both host and hosts"),
        ({"hosts": []}, "at least one"),
        ({"expiry": 0}, "expiry in CONFIG must be a number above 0, not 0"),
        ({"local_capacity": "many"}, "local_capacity in CONFIG must be a number"),
        ({"remote_capacity": True}, "remote_capacity in CONFIG must be a number"),
    ],
)
def test_config__that_can_not_be_used(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        LayerOptions.from_config(config)


@pytest.mark.parametrize("url", ["amqp://u:hunter2@rabbit:port/", "http://u:hunter2@rabbit", "amqp://u:hunter2@"])
def test_password__is_never_shown(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        LayerOptions.from_config({"host": url})
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(LayerOptions.from_config({"host": "amqp://u:hunter2@rabbit"}))
    assert "hunter2" not in str(LayerOptions.from_config({"host": "amqp://u:hunter2@rabbit"}).nodes[0])


@pytest.mark.parametrize("name", ["serialize", "deserialize"])
@pytest.mark.parametrize(
    ("value", "why"), [("json.dumbs", "can't be imported"), ("json.__name__", "a function"), (7, "a")]
)
def test_serialize__what_is_no_function_is_said_when_the_layer_is_made(name: str, value: Any, why: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{name} .*{why}"):
        RabbitmqChannelLayer(**{name: value})


def test_serialize__a_pair_of_functions_or_their_paths() -> None:
    def dumps(message: dict[str, Any]) -> bytes:
        return json.dumps(message).encode()

    for pair in ({"serialize": dumps, "deserialize": json.loads}, {"serialize": dumps, "deserialize": "json.loads"}):
        codec = LayerOptions.from_config(pair).codec
        packed = codec.pack(codec_module.GROUP_KEY, "people", {"type": "a"})
        assert json.loads(packed) == {"type": "a", codec_module.GROUP_KEY: "people"}
        assert codec.unpack(packed) == (codec_module.GROUP_KEY, "people", {"type": "a"})


def test_deserialize__whatever_it_raises_the_message_is_undecodable() -> None:
    def loads(_body: bytes) -> Any:
        raise LookupError

    with pytest.raises(codec_module.Undecodable, match="LookupError"):
        LayerOptions.from_config({"deserialize": loads}).codec.unpack(b"")

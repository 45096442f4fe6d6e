"""What may stand in a layer's ``CONFIG``, checked, with defaults."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from catmaid_notify.layers.codec import Codec

DEFAULT_HOST = "amqp://guest:guest@127.0.0.1/asgi"
PORTS = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One broker to connect to."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    vhost: str
    tls: bool

    def __str__(self) -> str:
        """The node without its password, for logs and errors."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'amqps' if self.tls else 'amqp'}://{self.username}@{host}:{self.port} vhost={self.vhost!r}"


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """The ``CONFIG`` of the layer. Times in seconds, capacities in messages."""

    nodes: tuple[Node, ...]
    """Brokers, tried in turn."""
    ssl_context: ssl.SSLContext | None = None
    groups_exchange: str = "groups"
    """Direct exchange that carries what is sent to groups."""
    serialize: str | Callable[[dict[str, Any]], bytes] = "msgpack.packb"
    """Function, or its dotted path, that turns a dictionary into bytes."""
    deserialize: str | Callable[[bytes], Any] = "msgpack.unpackb"
    """Its opposite."""
    expiry: float = 60
    """How long a message may wait, in the broker or here."""
    local_capacity: int = 20_000
    """Messages that one channel of this process holds before further ones are dropped."""
    remote_capacity: int = 50_000
    """Messages that the broker holds for this process before it refuses further ones."""
    connect_timeout: float = 10
    """How long connecting may take, declaring included."""
    publish_timeout: float = 10
    """How long a message may wait until the broker has confirmed it."""
    publish_queue: int = 10_000
    """Messages that wait in this process to be published."""
    heartbeat: int = 20
    """After two of these without a sign of life a connection counts as lost."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LayerOptions:
        """Return the options for a ``CONFIG``.

        Takes the keys of channels_rabbitmq 4 (``host``, ``local_capacity``, ``remote_capacity``, ``expiry``,
        ``local_expiry``, ``group_expiry``, ``ssl_context``, ``groups_exchange``) besides those of this class and
        ``hosts``, ``username``, ``password``, ``vhost``.

        Raises:
            ImproperlyConfigured: an unknown key or a value that can't be used; passwords are not quoted.
        """
        given = dict(config)
        # A queue that lives as long as its connection needs no expiry of its groups.
        given.pop("group_expiry", None)
        local_expiry = given.pop("local_expiry", None)
        if local_expiry is not None:
            given["expiry"] = min(local_expiry, given.get("expiry") or local_expiry)
        nodes = _nodes(given)
        names = {name for name in cls.__dataclass_fields__ if name != "nodes"}
        unknown = sorted(set(given) - names)
        if unknown:
            raise ImproperlyConfigured(
                f"CHANNEL_LAYERS: CONFIG has no key {unknown[0]!r}; it knows host, hosts, username, password, vhost, "
                f"{', '.join(sorted(names))}."
            )
        options = cls(nodes=nodes, **{key: value for key, value in given.items() if value is not None})
        for name in names - {"ssl_context", "groups_exchange", "serialize", "deserialize"}:
            value = getattr(options, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ImproperlyConfigured(f"CHANNEL_LAYERS: {name} must be a number above 0, not {value!r}.")
        return options

    @cached_property
    def codec(self) -> Codec:
        """What ``serialize`` and ``deserialize`` stand for.

        Raises:
            ImproperlyConfigured: one of them is no function.
        """
        return Codec(_function("serialize", self.serialize), _function("deserialize", self.deserialize))


def _function(name: str, value: Any) -> Callable[[Any], Any]:
    try:
        found = import_string(value) if isinstance(value, str) else value
    except ImportError as error:
        raise ImproperlyConfigured(f"CHANNEL_LAYERS: {name} is {value!r}, which can't be imported: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"CHANNEL_LAYERS: {name} must be a function or its dotted path, not {value!r}.")
    return found  # type: ignore[no-any-return]


def _nodes(given: dict[str, Any]) -> tuple[Node, ...]:
    host, hosts = given.pop("host", None), given.pop("hosts", None)
    username, password, vhost = given.pop("username", None), given.pop("password", None), given.pop("vhost", None)
    if host is not None and hosts is not None:
        raise ImproperlyConfigured("CHANNEL_LAYERS: give either host or hosts in CONFIG, not both.")
    urls = [host or DEFAULT_HOST] if hosts is None else list(hosts)
    if not urls:
        raise ImproperlyConfigured("CHANNEL_LAYERS: hosts in CONFIG must name at least one broker.")
    return tuple(_node(url, username, password, vhost) for url in urls)


def _node(url: Any, username: str | None, password: str | None, vhost: str | None) -> Node:
    """Read ``amqp[s]://user:password@host:port/vhost``, all parts percent-decoded.

    No path, ``/`` and ``//`` (as kombu writes it) are the default vhost ``/``.
    """
    hint = "it must look like amqp://user:password@host:5672/vhost"
    try:
        parts = urlsplit(str(url))
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"CHANNEL_LAYERS: the broker's URL in CONFIG can't be read; {hint}.") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise ImproperlyConfigured(
            f"CHANNEL_LAYERS: the broker's URL in CONFIG has the scheme {parts.scheme!r} and the host "
            f"{parts.hostname!r}; {hint}."
        )
    path = unquote(parts.path.removeprefix("/"))
    return Node(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        username=username if username is not None else unquote(parts.username or "guest"),
        password=password if password is not None else unquote(parts.password or "guest"),
        vhost=vhost or path or "/",
        tls=parts.scheme == "amqps",
    )

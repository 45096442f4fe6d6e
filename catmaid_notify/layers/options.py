"""Options of the layer's ``CONFIG``: validation and defaults."""

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
    """Address and credentials of one broker."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    vhost: str
    tls: bool

    def __str__(self) -> str:
        """Return the address without the password, for logs and errors."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'amqps' if self.tls else 'amqp'}://{self.username}@{host}:{self.port} vhost={self.vhost!r}"


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Validated ``CONFIG`` of the layer. Times are in seconds, capacities in messages.

    ``docs/channel-layer.md`` describes each option for administrators.
    """

    nodes: tuple[Node, ...]
    """Brokers, tried in turn."""
    ssl_context: ssl.SSLContext | None = None
    groups_exchange: str = "groups"
    """Direct exchange for group messages."""
    serialize: str | Callable[[dict[str, Any]], bytes] = "msgpack.packb"
    """Function, or its dotted path, that encodes a dictionary as bytes."""
    deserialize: str | Callable[[bytes], Any] = "msgpack.unpackb"
    """Function, or its dotted path, that decodes those bytes."""
    expiry: float = 60
    """Longest wait of a message in the broker, and again in a channel's buffer."""
    local_capacity: int = 20_000
    """Messages that one channel of this process buffers; further ones are dropped."""
    remote_capacity: int = 50_000
    """Messages that the broker queues for this process; it refuses further ones."""
    connect_timeout: float = 10
    """Deadline for connecting, the declarations included; also for ``group_add`` and ``new_channel``."""
    publish_timeout: float = 10
    """Deadline for the broker's confirm, the wait for a connection included."""
    publish_queue: int = 10_000
    """Messages that may wait in this process to be published; further ones fail at once."""
    heartbeat: int = 20
    """Interval of AMQP heartbeats; a connection that is silent for about three of them counts as lost."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LayerOptions:
        """Validate a ``CONFIG`` and return its options.

        Args:
            config: the fields of this class without ``nodes``, and ``host`` or ``hosts``, ``username``, ``password``,
                ``vhost``. Of channels_rabbitmq 4 it takes ``local_expiry`` (the shorter of it and ``expiry`` counts)
                and ``group_expiry`` (without effect). ``None`` stands for the default.

        Raises:
            ImproperlyConfigured: a key is unknown or a value is not valid. The text never contains a password.
        """
        given = dict(config)
        # The queue, with its bindings, goes with the connection: no membership is left that could expire.
        given.pop("group_expiry", None)
        local_expiry = given.pop("local_expiry", None)
        if local_expiry is not None:
            given["expiry"] = min(local_expiry, given.get("expiry") or local_expiry)
        nodes = _nodes(given)
        names = {name for name in cls.__dataclass_fields__ if name != "nodes"}
        unknown = sorted(set(given) - names)
        if unknown:
            raise ImproperlyConfigured(
                f"CHANNEL_LAYERS: CONFIG has the unknown key {unknown[0]!r}; remove or rename it. Known keys: host, "
                f"hosts, username, password, vhost, {', '.join(sorted(names))}."
            )
        options = cls(nodes=nodes, **{key: value for key, value in given.items() if value is not None})
        for name in names - {"ssl_context", "groups_exchange", "serialize", "deserialize"}:
            value = getattr(options, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ImproperlyConfigured(f"CHANNEL_LAYERS: {name} in CONFIG must be a number above 0, not {value!r}.")
        return options

    @cached_property
    def codec(self) -> Codec:
        """Codec with the imported ``serialize`` and ``deserialize``.

        Raises:
            ImproperlyConfigured: one of them can't be imported or is not callable.
        """
        return Codec(_function("serialize", self.serialize), _function("deserialize", self.deserialize))


def _function(name: str, value: Any) -> Callable[[Any], Any]:
    try:
        found = import_string(value) if isinstance(value, str) else value
    except ImportError as error:
        raise ImproperlyConfigured(
            f"CHANNEL_LAYERS: {name} in CONFIG is {value!r}, which can't be imported: {error}"
        ) from error
    if not callable(found):
        raise ImproperlyConfigured(
            f"CHANNEL_LAYERS: {name} in CONFIG must be a function or its dotted path, not {value!r}."
        )
    return found  # type: ignore[no-any-return]


def _nodes(given: dict[str, Any]) -> tuple[Node, ...]:
    host, hosts = given.pop("host", None), given.pop("hosts", None)
    username, password, vhost = given.pop("username", None), given.pop("password", None), given.pop("vhost", None)
    if host is not None and hosts is not None:
        raise ImproperlyConfigured("CHANNEL_LAYERS: CONFIG has both host and hosts; remove one of them.")
    urls = [host or DEFAULT_HOST] if hosts is None else list(hosts)
    if not urls:
        raise ImproperlyConfigured("CHANNEL_LAYERS: hosts in CONFIG is empty; name at least one broker.")
    return tuple(_node(url, username, password, vhost) for url in urls)


def _node(url: Any, username: str | None, password: str | None, vhost: str | None) -> Node:
    """Parse ``amqp[s]://user:password@host:port/vhost`` and percent-decode its parts.

    Without a path, and for ``/`` and ``//`` (kombu writes the latter), the vhost is ``/``.
    """
    hint = "it must look like amqp://user:password@host:5672/vhost"
    try:
        parts = urlsplit(str(url))
        port = parts.port
    except ValueError:
        # Without the URL and the cause: both may contain the password.
        raise ImproperlyConfigured(f"CHANNEL_LAYERS: the broker's URL in CONFIG is not valid; {hint}.") from None
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

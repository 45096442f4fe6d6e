"""Channel layers that are compared, each with its Python environment and its place in a broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
OURS = "ours"
Server = Literal["rabbitmq", "redis"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A channel layer."""

    name: str
    backend: str
    """Value of ``BACKEND`` in ``CHANNEL_LAYERS``."""
    python: Path
    """Python of the environment with this layer. channels_rabbitmq and aio-pika 10 need separate ones."""
    how_to_make: str
    """Command that makes the environment."""
    server: Server
    packages: tuple[str, ...]
    """Packages whose versions the table names."""
    room: tuple[str, ...]
    """Options of ``CONFIG`` that set the capacity for waiting messages."""
    endings: tuple[str, ...]
    """Methods of the layer to call at the end, so that nothing is left in the broker."""

    def config(self, place: str, *, room: int | None) -> dict[str, Any]:
        """Return the ``CONFIG``: the defaults, or a capacity of ``room`` messages.

        ``place`` is the URL of a vhost, or a prefix of Redis keys.
        """
        where = {"host": place} if self.server == "rabbitmq" else {"hosts": [REDIS_URL], "prefix": place}
        return {**where, **({} if room is None else dict.fromkeys(self.room, room))}


REDIS_URL = "redis://127.0.0.1:6379/0"
_RECOMMENDED = {"python": ROOT / ".venv/bin/python", "how_to_make": "make venv"}
_CLASSIC = {"python": ROOT / ".venv-classic/bin/python", "how_to_make": "make .venv-classic/installed"}


def _kind(environment: Mapping[str, Any], **values: Any) -> Kind:
    return Kind(**environment, **values)


KINDS = {
    kind.name: kind
    for kind in (
        _kind(
            _RECOMMENDED,
            name=OURS,
            backend="catmaid_notify.layers.RabbitmqChannelLayer",
            server="rabbitmq",
            packages=("aio-pika", "aiormq"),
            room=("local_capacity", "remote_capacity"),
            endings=("close",),
        ),
        _kind(
            _CLASSIC,
            name="channels_rabbitmq",
            backend="channels_rabbitmq.core.RabbitmqChannelLayer",
            server="rabbitmq",
            packages=("channels-rabbitmq", "carehare"),
            room=("local_capacity", "remote_capacity"),
            endings=("close",),
        ),
        _kind(
            _RECOMMENDED,
            name="redis",
            backend="channels_redis.core.RedisChannelLayer",
            server="redis",
            packages=("channels-redis", "redis"),
            room=("capacity",),
            endings=("flush", "close_pools"),
        ),
        _kind(
            _RECOMMENDED,
            name="redis-pubsub",
            backend="channels_redis.pubsub.RedisPubSubChannelLayer",
            server="redis",
            packages=("channels-redis", "redis"),
            room=(),
            endings=("flush",),
        ),
    )
}

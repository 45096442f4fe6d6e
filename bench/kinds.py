"""Kinds of push service that are compared: a server, an application in it, and a channel layer below."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bench.helper import ROOT

RECOMMENDED: Final = ROOT / ".venv/bin/python"
CLASSIC: Final = ROOT / ".venv-classic/bin/python"
"""Environment for channels_rabbitmq, which can't be installed beside aio-pika 10."""

Dialect = Literal["v1", "plain", "events"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of push service."""

    name: str
    server: Literal["daphne", "uvicorn", "nginx"]
    application: str
    """Name in `bench.served.applications`."""
    layer: str = ""
    """``BACKEND`` of the channel layer."""
    publisher: str = ""
    """Name in `bench.publisher`; empty: the application sends by itself."""
    python: Path = RECOMMENDED
    dialect: Dialect = "plain"
    path: str = "/channels/updates/?user={user}"

    @property
    def needs(self) -> Literal["rabbitmq", "redis", ""]:
        """Broker that this kind uses."""
        if "abbitmq" in self.layer:
            return "rabbitmq"
        return "redis" if self.publisher in ("redis", "eventstream") else ""


def _on(server: Literal["daphne", "uvicorn"]) -> tuple[Kind, ...]:
    return (
        Kind(
            name=f"{server}: ours",
            server=server,
            application="ours",
            layer="catmaid_notify.layers.RabbitmqChannelLayer",
            publisher="rabbitmq",
            dialect="v1",
        ),
        Kind(
            name=f"{server}: channels_rabbitmq",
            server=server,
            application="consumer",
            layer="channels_rabbitmq.core.RabbitmqChannelLayer",
            publisher="rabbitmq",
            python=CLASSIC,
        ),
        Kind(
            name=f"{server}: channels_redis",
            server=server,
            application="consumer",
            layer="channels_redis.core.RedisChannelLayer",
            publisher="redis",
        ),
        Kind(
            name=f"{server}: channels_redis pubsub",
            server=server,
            application="consumer",
            layer="channels_redis.pubsub.RedisPubSubChannelLayer",
            publisher="redis",
        ),
        Kind(name=f"{server}: only sends", server=server, application="bare"),
        Kind(
            name=f"{server}: django-eventstream",
            server=server,
            application="eventstream",
            publisher="eventstream",
            dialect="events",
            path="/events/?channel=updates-{user}",
        ),
    )


KINDS: Final = {
    kind.name: kind
    for kind in (
        *_on("daphne"),
        *_on("uvicorn"),
        Kind(name="nginx: nchan", server="nginx", application="nchan", publisher="nchan", path="/sub/{user}"),
    )
}

"""Separate place for each kind: a vhost, or a prefix of Redis keys. Both are removed afterwards."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator

from bench.layers.kinds import REDIS_URL, Kind
from tests.support import rabbitmq
from tests.support.ports import listens


def missing(kind: Kind) -> str:
    """Return the reason why a kind can't be measured here; an empty string if it can."""
    if not kind.python.exists():
        return f"{kind.python} is missing; `{kind.how_to_make}` makes that environment"
    if kind.server == "rabbitmq":
        return rabbitmq.missing()
    return "" if listens(6379) else "no Redis on 127.0.0.1:6379"


@contextlib.contextmanager
def places(kinds: Iterable[Kind]) -> Iterator[dict[str, str]]:
    """Create a place for each kind: {name: URL of a vhost, or prefix}."""
    with contextlib.ExitStack() as stack:
        made = {}
        for kind in kinds:
            if kind.server == "rabbitmq":
                made[kind.name] = stack.enter_context(rabbitmq.vhost()).url
            else:
                made[kind.name] = stack.enter_context(_prefix())
        yield made


@contextlib.contextmanager
def _prefix() -> Iterator[str]:
    import redis

    prefix = f"bench-{secrets.token_hex(6)}"
    try:
        yield prefix
    finally:
        # Layers delete their own keys; this deletes those of killed processes.
        with redis.Redis.from_url(REDIS_URL) as client:
            for key in client.scan_iter(match=f"{prefix}*", count=1000):
                client.delete(key)

"""Kinds of channel layers for the conformance suite, with their known differences.

To put another layer through it, add a kind here: how one is made with a capacity and an expiry, and how it is ended.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from channels.layers import InMemoryChannelLayer

from catmaid_notify.layers import RabbitmqChannelLayer
from tests.support.environment import REDIS

MakeLayer = Callable[..., AbstractAsyncContextManager[Any]]

DIFFERENCES = {
    ("memory", "test_capacity__by_pattern"): "Channels 4.3 doesn't compile the patterns of its in-memory layer",
    ("redis", "test_groups__receivers_do_not_share_the_message"): "channels of one process get the same dictionary",
    ("redis", "test_capacity__group_send_never_fails"): "a full channel loses its oldest messages, not the new one",
}
"""(kind, test) → reason why the kind can't pass."""


def rabbitmq_layer(url: str) -> MakeLayer:
    """Make our layer, on a new vhost."""

    @asynccontextmanager
    async def make(*, capacity: int | None = None, **config: Any) -> AsyncIterator[RabbitmqChannelLayer]:
        if capacity is not None:
            config["local_capacity"] = capacity
        layer = RabbitmqChannelLayer(host=url, **config)
        try:
            yield layer
        finally:
            await layer.close()

    return make


def memory_layer() -> MakeLayer:
    """Make Channels' in-memory layer."""

    @asynccontextmanager
    async def make(**config: Any) -> AsyncIterator[InMemoryChannelLayer]:
        yield InMemoryChannelLayer(**config)

    return make


def redis_layer() -> MakeLayer:
    """Make a layer of channels_redis, with a prefix of the test's own."""
    from channels_redis.core import RedisChannelLayer

    @asynccontextmanager
    async def make(**config: Any) -> AsyncIterator[RedisChannelLayer]:
        layer = RedisChannelLayer(hosts=[REDIS], prefix=f"test-{secrets.token_hex(6)}", **config)
        try:
            yield layer
        finally:
            await layer.flush()
            await layer.close_pools()

    return make

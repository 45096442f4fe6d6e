"""Step for the channel layer, on any backend: a round trip of one message."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from channels.layers import channel_layers

from catmaid_notify.checks.channel_layer import IN_MEMORY_LAYER, layer_settings
from catmaid_notify.conf import conf
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, failed, ok, skipped, warning

Received = dict[str, Any]


def round_trip(visit: Visit) -> Iterator[Finding]:
    """Join a temporary group, send a message to the group, and receive it."""
    layer = layer_settings()
    if layer is None:
        yield skipped("there is no channel layer: pages ask once a minute")
    elif layer.get("BACKEND") == IN_MEMORY_LAYER:
        yield warning(
            "the layer lives in the memory of one process, which is not this one",
            "Use a layer on RabbitMQ or Redis if the site has more than one process.",
        )
    else:
        yield asyncio.run(_round_trip(visit.timeout))


async def _round_trip(seconds: float) -> Finding:
    group = f"catmaid-notify-check-{secrets.token_hex(8)}"
    try:
        async with asyncio.timeout(seconds), listening(group) as (layer, channel):
            began = time.monotonic()
            await layer.group_send(group, {"type": "catmaid.notify.check"})
            await layer.receive(channel)
    except TimeoutError:
        return failed(f"No message came through within {seconds:g} s.", *_hints())
    except Exception as error:  # noqa: BLE001 - layers raise whatever their driver does
        return failed(f"{type(error).__name__}: {error}", *_hints())
    return ok(f"a message came through in {(time.monotonic() - began) * 1000:.0f} ms")


def _hints() -> list[str]:
    backend = str((layer_settings() or {}).get("BACKEND"))
    if "redis" in backend:
        return ["Check the address in CONFIG, and that Redis 5 or newer runs there.", "redis-cli ping"]
    return ["See the findings about the broker above, and the log catmaid_notify.layers."]


@asynccontextmanager
async def listening(group: str) -> AsyncIterator[tuple[Any, str]]:
    """Open a channel layer for the running event loop, and yield it with a channel that has joined the group."""
    layer = channel_layers.make_backend(conf.CHANNEL_LAYER)
    try:
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        yield layer, channel
    finally:
        close = getattr(layer, "close", None) or getattr(layer, "close_pools", None)
        if close is not None:
            await close()

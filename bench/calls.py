"""Calls of the app in a site's code, and their duration for the caller."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypedDict

from asgiref.sync import async_to_sync
from django.conf import settings

from bench import pace
from bench.figures import percentile
from catmaid_notify import api
from catmaid_notify.protocol import user_group

USER = 1

PAYLOAD = {"text": pace.FILLING}


class Called(TypedDict):
    """Durations of the calls for their caller."""

    p50_us: float
    p99_us: float
    seconds: float


def timed(call: Callable[[], Any], count: int, rate: float) -> Called:
    """Call ``call`` ``count`` times at ``rate`` a second (0: one call directly after the other)."""
    taken = []
    started = time.perf_counter()
    for first, last in pace.ticks(count, rate):
        if rate and (wait := started + first / rate - time.perf_counter()) > 0:
            time.sleep(wait)
        for _ in range(first, last):
            before = time.perf_counter_ns()
            call()
            taken.append(time.perf_counter_ns() - before)
    seconds = time.perf_counter() - started
    return {"p50_us": percentile(taken, 50) / 1e3, "p99_us": percentile(taken, 99) / 1e3, "seconds": seconds}


def sender(kind: str) -> Callable[[], Any]:
    """Return a function that sends one event to a user, by the means of ``kind``."""
    if kind == "kombu":
        return _with_kombu()
    if kind == "channels_redis":
        from channels.layers import get_channel_layer

        send = async_to_sync(get_channel_layer().group_send)
        return lambda: send(user_group(USER), {"type": "user.message", "data": pace.text()})
    return lambda: api.msg_user(USER, "bench", PAYLOAD)


def _with_kombu() -> Callable[[], Any]:
    """Publish by hand as CATMAID does: the layer's bytes into its exchange, without waiting for a confirm."""
    import msgpack

    kombu: Any = import_module("kombu")  # has no types

    exchange = kombu.Exchange("groups", type="direct")
    producer = kombu.Connection(settings.CELERY_BROKER_URL).Producer(exchange=exchange, auto_declare=False)

    def send() -> None:
        group = user_group(USER)
        body = msgpack.packb({"type": "user.message", "data": pace.text(), "__asgi_group__": group})
        producer.publish(body, routing_key=group, content_type="application/octet-stream", content_encoding="binary")

    return send


def publish(kind: str, count: int, rate: float) -> Called:
    """Send ``count`` events at ``rate`` a second."""
    call = sender(kind)
    call()
    return timed(call, count, rate)

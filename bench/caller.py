"""Whoever calls the app's functions: a process of the site that is no server. It obeys the harness (`helper`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypedDict

import django

from bench import helper, pace
from bench.figures import percentile

django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402,F401  (the site's own models are all loaded)
from django.db import connection, models  # noqa: E402

from catmaid_notify import api, reconcile, views  # noqa: E402
from catmaid_notify.models import Message  # noqa: E402
from catmaid_notify.protocol import user_group  # noqa: E402

USER = 1
PAYLOAD = {"text": pace.FILLING}
REPEATS = 20


class Bare(Message):
    """A message that is inserted as Django inserts the row of any model."""

    _do_insert = models.Model._do_insert  # type: ignore[attr-defined]

    class Meta:
        proxy = True
        app_label = "catmaid_notify"


class Called(TypedDict):
    """What calls have taken their caller."""

    p50_us: float
    p99_us: float
    seconds: float


def timed(call: Callable[[], Any], count: int, rate: float) -> Called:
    """Call so many times at that rate (0: one after another)."""
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
    """Return what sends one event to a user, as a site's code would."""
    if kind == "kombu":
        return _with_kombu()
    if kind == "channels_redis":
        from channels.layers import get_channel_layer

        send = async_to_sync(get_channel_layer().group_send)
        return lambda: send(user_group(USER), {"type": "user.message", "data": pace.text()})
    return lambda: api.msg_user(USER, "bench", PAYLOAD)


def _with_kombu() -> Callable[[], Any]:
    """As CATMAID does by hand: the bytes of the layer into its exchange, without waiting for a confirm."""
    import msgpack

    kombu: Any = import_module("kombu")  # has no types

    exchange = kombu.Exchange("groups", type="direct")
    producer = kombu.Connection(settings.CELERY_BROKER_URL).Producer(exchange=exchange, auto_declare=False)

    def send() -> None:
        group = user_group(USER)
        body = msgpack.packb({"type": "user.message", "data": pace.text(), "__asgi_group__": group})
        producer.publish(body, routing_key=group, content_type="application/octet-stream", content_encoding="binary")

    return send


class Caller:
    """Each public method is an order."""

    async def publish(self, kind: str, count: int, rate: float) -> Called:
        """Send so many events at that rate."""
        return await asyncio.to_thread(self._publish, kind, count, rate)

    @staticmethod
    def _publish(kind: str, count: int, rate: float) -> Called:
        call = sender(kind)
        call()
        return timed(call, count, rate)

    async def publish_in_task(self, kind: str, count: int, rate: float) -> Called:
        """Have a Celery worker do it."""
        from bench.served.celery import publish

        def ask() -> Called:
            called: Called = publish.delay(kind, count, rate).get(timeout=120)
            return called

        return await asyncio.to_thread(ask)

    async def store(self, kind: str, count: int) -> Called:
        """Store so many messages one by one."""
        calls = {
            "notify_user": lambda: api.notify_user(USER, "A title", text="A text."),
            "the bare insert": lambda: Bare(user_id=USER, title="A title", text="A text.").save(force_insert=True),
        }
        return await asyncio.to_thread(timed, calls[kind], count, 0)

    async def store_many(self, kind: str, users: int) -> Called:
        """Store one message each for so many users."""

        def bare() -> None:
            rows = [Message(user_id=pk, title="A title", text="A text.") for pk in range(1, users + 1)]
            Message.objects.bulk_create(rows, batch_size=1000)

        calls: dict[str, Callable[[], Any]] = {
            "notify_users": lambda: api.notify_users(range(1, users + 1), "A title", text="A text."),
            "the bare insert": bare,
        }
        return await asyncio.to_thread(timed, calls[kind], 1, 0)

    async def forget(self) -> None:
        """Remove what `store` and `store_many` have stored."""
        await asyncio.to_thread(Message.objects.filter(title="A title").delete)

    async def ask_inbox(self, users: int) -> dict[str, float]:
        """Return the milliseconds that questions to the inbox take, at the median."""
        return await asyncio.to_thread(self._ask_inbox, users)

    @staticmethod
    def _ask_inbox(users: int) -> dict[str, float]:
        mine = Message.objects.for_user(USER)
        pks = list(range(1, users + 1))
        questions: dict[str, Callable[[], Any]] = {
            "reconcile_ms": lambda: reconcile._created_within(pks, 90),
            "unread_ms": lambda: list(mine.unread().newest_first()[: views.UNREAD_SHOWN]),
            "page_ms": lambda: list(mine.order_by("-id")[:51]),
            "latest_ms": lambda: list(mine.unread().newest_first().values_list("time", flat=True)[:1]),
        }
        connection.ensure_connection()
        return {name: timed(question, REPEATS, 0)["p50_us"] / 1e3 for name, question in questions.items()}


async def _main() -> None:
    await helper.obey(Caller())


if __name__ == "__main__":
    asyncio.run(_main())

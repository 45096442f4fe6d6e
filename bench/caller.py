"""Process that calls the app's functions like a WSGI process or a script of the site, on orders of the harness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import django

from bench import helper

django.setup()

from django.contrib.sessions.models import Session  # noqa: E402,F401  (the site's own models are all loaded)
from django.db import connection, models  # noqa: E402

from bench import calls  # noqa: E402
from catmaid_notify import api  # noqa: E402
from catmaid_notify.models import Message  # noqa: E402
from catmaid_notify.realtime import reconcile  # noqa: E402
from catmaid_notify.views import inbox  # noqa: E402

REPEATS = 20


class Bare(Message):
    """Message that is inserted as Django inserts the row of any model, to measure the app's own share."""

    _do_insert = models.Model._do_insert  # type: ignore[attr-defined]

    class Meta:
        proxy = True
        app_label = "catmaid_notify"


class Caller:
    """Orders of the harness; each public method is one."""

    async def publish(self, kind: str, count: int, rate: float) -> calls.Called:
        """Send ``count`` events at ``rate`` a second."""
        return await asyncio.to_thread(calls.publish, kind, count, rate)

    async def publish_in_task(self, kind: str, count: int, rate: float) -> calls.Called:
        """Send the events from a Celery worker."""
        from bench.served.celery import publish

        def ask() -> calls.Called:
            called: calls.Called = publish.delay(kind, count, rate).get(timeout=120)
            return called

        return await asyncio.to_thread(ask)

    async def store(self, kind: str, count: int) -> calls.Called:
        """Store ``count`` messages one by one."""
        ways = {
            "notify_user": lambda: api.notify_user(calls.USER, "A title", text="A text."),
            "the bare insert": lambda: Bare(user_id=calls.USER, title="A title", text="A text.").save(
                force_insert=True
            ),
        }
        return await asyncio.to_thread(calls.timed, ways[kind], count, 0)

    async def store_many(self, kind: str, users: int) -> calls.Called:
        """Store one message for each of ``users`` users."""

        def bare() -> None:
            rows = [Message(user_id=pk, title="A title", text="A text.") for pk in range(1, users + 1)]
            Message.objects.bulk_create(rows, batch_size=1000)

        ways: dict[str, Callable[[], Any]] = {
            "notify_users": lambda: api.notify_users(range(1, users + 1), "A title", text="A text."),
            "the bare insert": bare,
        }
        return await asyncio.to_thread(calls.timed, ways[kind], 1, 0)

    async def forget(self) -> None:
        """Delete the messages that `store` and `store_many` have stored."""
        await asyncio.to_thread(Message.objects.filter(title="A title").delete)

    async def ask_inbox(self, users: int) -> dict[str, float]:
        """Return the median milliseconds of each query of the inbox."""
        return await asyncio.to_thread(self._ask_inbox, users)

    @staticmethod
    def _ask_inbox(users: int) -> dict[str, float]:
        mine = Message.objects.for_user(calls.USER)
        pks = list(range(1, users + 1))
        questions: dict[str, Callable[[], Any]] = {
            "reconcile_ms": lambda: reconcile._created_within(pks, 90),
            "unread_ms": lambda: list(mine.unread().newest_first()[: inbox.UNREAD_SHOWN]),
            "page_ms": lambda: list(mine.order_by("-id")[:51]),
            "latest_ms": lambda: list(mine.unread().newest_first().values_list("time", flat=True)[:1]),
        }
        connection.ensure_connection()
        return {name: calls.timed(question, REPEATS, 0)["p50_us"] / 1e3 for name, question in questions.items()}


async def _main() -> None:
    await helper.obey(Caller())


if __name__ == "__main__":
    asyncio.run(_main())

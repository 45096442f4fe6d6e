"""Periodic look-up of unread messages whose push may have been lost. A lost push is thus late by one round.

There is no cursor over ids: a database hands ids out before commit, so row 5 can appear after row 6 was read. Each
round reads the messages created since the last successful round, and a minute more for transactions that were open
meanwhile. The caller skips messages that it has pushed. All times are the database's, so local clocks don't matter.
"""

from __future__ import annotations

import time
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from catmaid_notify.conf import conf
from catmaid_notify.models import Message, MessageQuerySet
from catmaid_notify.utils import db_threads
from catmaid_notify.utils.chunks import batches

USERS_PER_QUERY = 1000
RECENT_MAX = 2000
"""Largest number of recent messages, of all users, that are filtered here instead of in the database."""


class Reconciler:
    """Finds messages whose push may have been lost; remembers the time of the last successful round."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    @property
    def memory_seconds(self) -> float:
        """Time for which a caller must remember pushed messages. It is longer than the next rounds look back."""
        return time.monotonic() - self._since + conf.RECONCILE_SECONDS + 2 * conf.RECONCILE_OVERLAP_SECONDS

    async def find_missed(self, pks: list[Any]) -> list[tuple[Message, float]]:
        """Return the recent unread messages of users, some of which may have been pushed already.

        Args:
            pks: primary keys of users.

        Returns:
            Messages with their ages in seconds, oldest first; of more than `USERS_PER_QUERY` users, oldest first per
            query.

        Raises:
            django.db.Error: the query failed. The next round then looks back to the last successful one.
        """
        started = time.monotonic()
        seconds = started - self._since + conf.RECONCILE_OVERLAP_SECONDS
        found = await db_threads.ask(_created_within, pks, seconds)
        self._since = started
        return found


def _created_within(pks: list[Any], seconds: float) -> list[tuple[Message, float]]:
    age = ExpressionWrapper(Now() - F("time"), output_field=DurationField())
    created = Message.objects.unread().created_within(seconds)
    recent = created.annotate(age=age).order_by("time", "id")
    recent_pks = _pick_recent(created, pks) if len(pks) > USERS_PER_QUERY else None
    field, wanted = ("user_id", pks) if recent_pks is None else ("pk", recent_pks)
    return [
        (message, message.age.total_seconds())  # type: ignore[attr-defined]
        for batch in batches(wanted, USERS_PER_QUERY)
        for message in recent.filter(**{f"{field}__in": batch})
    ]


def _pick_recent(created: MessageQuerySet, pks: list[Any]) -> list[int] | None:
    """Return the ids of the recent messages of users; ``None`` if all users together have more than `RECENT_MAX`.

    A query that names thousands of users takes longer than one that reads the few recent messages of all users.
    """
    rows = list(created.values_list("pk", "user_id")[: RECENT_MAX + 1])
    if len(rows) > RECENT_MAX:
        return None
    wanted = set(pks)
    return [pk for pk, user_pk in rows if user_pk in wanted]

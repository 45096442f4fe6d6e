"""Inbox → what was not pushed here: the mechanism that makes a lost push late instead of lost.

No cursor over ids: ids are handed out before commit, so row 5 can appear after row 6 was read. Each round asks for what
was created since the last one that succeeded, and a minute more for transactions that were open meanwhile; the caller
knows what it has pushed already. Times are the database's own, so no clock of ours matters.
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
"""Messages of all users of late, up to which each of them is looked at."""


class Reconciler:
    """Remembers when the last successful round was."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    @property
    def memory_seconds(self) -> float:
        """How long a caller must remember what it pushed: as far as the next rounds look back, and some more."""
        return time.monotonic() - self._since + conf.RECONCILE_SECONDS + 2 * conf.RECONCILE_OVERLAP_SECONDS

    async def find_missed(self, pks: list[Any]) -> list[tuple[Message, float]]:
        """Return the unread messages of these users since the last round, oldest first, each with its age in seconds.

        Raises:
            django.db.Error: what the database says; the next round then looks back to the last one that succeeded.
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
    """Return the ids of those that are these users', ``None`` if there are too many of all users to look at each.

    To name thousands of users to the database takes longer than to look at what all users have got of late.
    """
    rows = list(created.values_list("pk", "user_id")[: RECENT_MAX + 1])
    if len(rows) > RECENT_MAX:
        return None
    wanted = set(pks)
    return [pk for pk, user_pk in rows if user_pk in wanted]

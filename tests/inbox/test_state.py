"""The state that pages compare themselves with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catmaid_notify.inbox import state as inbox_state
from catmaid_notify.models import Message

if TYPE_CHECKING:
    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db

PLANS = {
    "postgresql": "Index Only Scan using catmaid_notify_unread",
    "sqlite": "USING INDEX catmaid_notify_unread",  # which looks at rows all the same, where an index is a partial one
}


def test_of_user__ids_are_read_from_the_index_alone(user: User) -> None:
    """So it costs the same whatever the texts of messages are, and however many have been read."""
    Message.objects.bulk_create(Message(user=user, title=f"{n}", read=n % 10 > 0) for n in range(300))
    with CaptureQueriesContext(
        connection,
    ) as captured:
        found = inbox_state.of_user(user.pk).answer()
    assert len(found.ids) == 30
    explain = {"postgresql": "EXPLAIN", "sqlite": "EXPLAIN QUERY PLAN"}[connection.vendor]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table this small would be read as a whole, as long as nothing has been vacuumed.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"{explain} {captured[0]['sql']}")
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert PLANS[connection.vendor] in plan, plan

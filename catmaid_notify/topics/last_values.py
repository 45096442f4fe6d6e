"""The last value of topics that keep it, in the database: the same for all processes, and part of the transaction.

Whoever publishes holds the topic's row until the commit, so the order of the versions is that of the commits, an old
value never replaces a newer one, and one that is rolled back was never there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, router, transaction
from django.db.models import F
from django.utils import timezone

from catmaid_notify import protocol
from catmaid_notify.models import TopicValue
from catmaid_notify.types import JSON
from catmaid_notify.utils.chunks import batches

TOPICS_PER_QUERY: Final = 500


def keep(topic: str, event: str, payload: JSON, *, sender: str, seconds: float) -> int:
    """Store a topic's last value; return its version, which is higher than that of any earlier one."""
    using = router.db_for_write(TopicValue)
    now = timezone.now()
    values = {
        "event": event,
        "payload": protocol.to_json(payload, what=f"The payload of event {event!r}"),
        "sender": sender,
        "published": now,
        "expires": now + timedelta(seconds=seconds),
    }
    with transaction.atomic(using=using):
        rows = TopicValue.objects.using(using).filter(topic=topic)
        if not rows.update(version=F("version") + 1, **values):
            try:
                with transaction.atomic(using=using):
                    # The time, so that a row that was pruned and made anew does not begin with a lower version.
                    return (
                        TopicValue.objects.using(using)
                        .create(topic=topic, version=int(time.time() * 1000), **values)
                        .version
                    )
            except IntegrityError:  # somebody was faster
                rows.update(version=F("version") + 1, **values)
        return int(rows.values_list("version", flat=True)[0])


def load(names: Iterable[str]) -> dict[str, TopicValue]:
    """Return the last values of these topics, those left out that have none (any more)."""
    valid = TopicValue.objects.filter(expires__gt=timezone.now())
    return {row.topic: row for batch in batches(names, TOPICS_PER_QUERY) for row in valid.filter(topic__in=batch)}


def as_dict(value: TopicValue) -> dict[str, Any]:
    """Return a value as clients get it."""
    sender = {"sender": value.sender} if value.sender else {}
    return {
        "event": value.event,
        "payload": json.loads(value.payload),
        "topic": value.topic,
        **sender,
        "version": value.version,
    }

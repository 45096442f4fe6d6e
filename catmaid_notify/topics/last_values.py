"""Last values of topics, in the database: shared by all processes, and part of the publisher's transaction.

A publisher locks the topic's row until its commit. So versions are in the order of commits, an old value never replaces
a newer one, and a value that is rolled back is never seen.
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
    """Store the last value of a topic for ``seconds``; return its version, higher than any earlier one.

    Raises:
        InvalidEvent: the payload is not JSON.
        django.db.Error: the database failed.
    """
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
                    # The time as the first version: a row that was pruned and is created again gets a higher one.
                    return (
                        TopicValue.objects.using(using)
                        .create(topic=topic, version=int(time.time() * 1000), **values)
                        .version
                    )
            except IntegrityError:  # another transaction has created the row since the update above
                rows.update(version=F("version") + 1, **values)
        return int(rows.values_list("version", flat=True)[0])


def load(names: Iterable[str]) -> dict[str, TopicValue]:
    """Load the last values of topics by name; topics without one, or with an expired one, are left out."""
    valid = TopicValue.objects.filter(expires__gt=timezone.now())
    return {row.topic: row for batch in batches(names, TOPICS_PER_QUERY) for row in valid.filter(topic__in=batch)}


def as_dict(value: TopicValue) -> dict[str, Any]:
    """Return a last value as JSON for clients; the same keys as a frame."""
    sender = {"sender": value.sender} if value.sender else {}
    return {
        "event": value.event,
        "payload": json.loads(value.payload),
        "topic": value.topic,
        **sender,
        "version": value.version,
    }

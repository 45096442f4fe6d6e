"""Who is there, across processes: who has pages open, and who follows a topic.

Each process has one row that it touches every few seconds, and a row for each of its users, and for each user on each
topic, written when somebody comes or goes. What a process that was killed has left behind counts for nothing once its
own row is old. So what costs something is coming and going, not being there.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Sum

from catmaid_notify import topics
from catmaid_notify.inbox.recipients import user_pk
from catmaid_notify.models import Presence
from catmaid_notify.protocol import user_key
from catmaid_notify.types import UserLike


def is_online(user: UserLike) -> bool:
    """Return whether a user has a page with a socket open now; two seconds late, 60 after a process was killed."""
    return Presence.objects.live().of_user(user_key(user_pk(user))).exists()


def socket_count(user: UserLike) -> int:
    """Return how many sockets a user has open now. A browser has one, however many tabs."""
    rows = Presence.objects.live().of_user(user_key(user_pk(user)))
    return int(rows.aggregate(sum=Sum("sockets"))["sum"] or 0)


def followers(topic: str) -> list[Any]:
    """Return the primary keys of the users who follow a topic now; as late as is_online().

    Raises:
        UnknownTopic: nobody has declared such a topic.
    """
    to_python = get_user_model()._meta.pk.to_python
    keys = Presence.objects.live().filter(topic=topics.find(topic).name).values_list("user_key", flat=True)
    return [to_python(key) for key in keys.order_by("user_key").distinct()]

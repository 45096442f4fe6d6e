"""Cross-process presence queries: users with open sockets, followers of topics.

Each ASGI process has one `SocketServer` row that it touches every few seconds. It writes a `Presence` row for each of
its users, and for each user of each topic, when a user comes or goes. The rows of a killed process stop counting once
its `SocketServer` row is old. So the cost grows with arrivals and departures, not with the number of users.
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
    """Return ``True`` if a user has a page with an open socket, in whatever process.

    The answer is up to 2 s late, and up to 60 s late after an ASGI server was killed. A user whose page polls counts as
    offline.

    Args:
        user: The user; need not exist.

    Raises:
        UnknownUser: ``user`` is neither a user nor a primary key.
        django.db.Error: the database failed.
    """
    return Presence.objects.live().of_user(user_key(user_pk(user))).exists()


def socket_count(user: UserLike) -> int:
    """Count the open sockets of a user in all processes; as late as `is_online`.

    Args:
        user: The user; need not exist.

    Returns:
        The number of sockets. All tabs of a browser share one.

    Raises:
        UnknownUser: ``user`` is neither a user nor a primary key.
        django.db.Error: the database failed.
    """
    rows = Presence.objects.live().of_user(user_key(user_pk(user)))
    return int(rows.aggregate(sum=Sum("sockets"))["sum"] or 0)


def followers(topic: str) -> list[Any]:
    """List the users who follow a topic; as late as `is_online`.

    Args:
        topic: Name of a declared topic, such as ``"sheet:42"``.

    Returns:
        Primary keys, in the type of the user model's key, each once.

    Raises:
        UnknownTopic: no ``topics.py`` declares the topic, or the name is not valid.
        django.db.Error: the database failed.
    """
    to_python = get_user_model()._meta.pk.to_python
    keys = Presence.objects.live().filter(topic=topics.find(topic).name).values_list("user_key", flat=True)
    return [to_python(key) for key in keys.order_by("user_key").distinct()]

"""What a page compares itself with: which messages are unread, and how far the running tasks are."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from django.db import router

from catmaid_notify.models import Message, TaskProgress, progress_since
from catmaid_notify.prepared import Parameter, Prepared
from catmaid_notify.protocol import user_key

COUNTED: Final = 1000
"""Unread messages that are counted."""


class Unread(NamedTuple):
    """The state of one user's inbox."""

    ids: list[int]
    """Of the unread messages, newest first; one more than are counted at most."""
    tasks: list[tuple[str, str]]
    """Of the running tasks, each with the time of its latest state."""

    def state_for(self, pk: Any) -> list[Any]:
        """Return all of it, and whose it is; for JSON.

        Neither a clock nor a highest id would tell of all changes, since ids are handed out before commit.
        """
        return [user_key(pk), self.ids, self.tasks]


def of_user(pk: Any) -> Unread:
    """Return the state of this user's inbox, by two queries, one of them of an index alone."""
    ids = _ids().rows(router.db_for_read(Message), user=pk)
    tasks = _tasks().rows(router.db_for_read(TaskProgress), user=pk, since=progress_since())
    return Unread([row[0] for row in ids], [(task_id, updated.isoformat()) for task_id, updated in tasks])


@cache
def _ids() -> Prepared:
    user = Parameter("user", Message._meta.get_field("user"))
    return Prepared(Message.objects.for_user(user).unread().newest_first().values_list("pk")[: COUNTED + 1])


@cache
def _tasks() -> Prepared:
    user = Parameter("user", TaskProgress._meta.get_field("user"))
    since = Parameter("since", TaskProgress._meta.get_field("updated"))
    return Prepared(TaskProgress.objects.shown_to(user, since).values_list("task_id", "updated"))

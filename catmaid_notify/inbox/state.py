"""What a page compares itself with: which messages are unread, and how far the running tasks are."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from django.db import router

from catmaid_notify.models import Message, TaskProgress, progress_since
from catmaid_notify.utils.sql_cache import BoundQuery, Parameter, Prepared

COUNTED: Final = 1000
"""Unread messages that are counted."""


class Unread(NamedTuple):
    """The state of one user's inbox.

    Neither a clock nor a highest id would tell of all changes, since ids are handed out before commit.
    """

    ids: list[int]
    """Of the unread messages, newest first; one more than are counted at most."""
    tasks: list[tuple[str, str]]
    """Of the running tasks, each with the time of its latest state."""


class StateQueries(NamedTuple):
    """What `Unread` is made of: two queries, one of them of an index alone."""

    ids: BoundQuery
    tasks: BoundQuery

    def answer(self) -> Unread:
        """Return the state that the database has now."""
        ids = [row[0] for row in self.ids.rows()]
        return Unread(ids, [(task_id, updated.isoformat()) for task_id, updated in self.tasks.rows()])


def of_user(pk: Any) -> StateQueries:
    """Return what is to be asked of this user's inbox."""
    return StateQueries(
        _ids().bind(router.db_for_read(Message), user=pk),
        _tasks().bind(router.db_for_read(TaskProgress), user=pk, since=progress_since()),
    )


@cache
def _ids() -> Prepared:
    user = Parameter("user", Message._meta.get_field("user"))
    return Prepared(Message.objects.for_user(user).unread().newest_first().values_list("pk")[: COUNTED + 1])


@cache
def _tasks() -> Prepared:
    user = Parameter("user", TaskProgress._meta.get_field("user"))
    since = Parameter("since", TaskProgress._meta.get_field("updated"))
    return Prepared(TaskProgress.objects.shown_to(user, since).values_list("task_id", "updated"))

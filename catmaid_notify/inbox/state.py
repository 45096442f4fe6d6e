"""State of an inbox: ids of the unread messages, latest updates of the running tasks. Polls compare it by its ETag."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from django.db import router

from catmaid_notify.models import Message, TaskProgress, progress_since
from catmaid_notify.utils.sql_cache import NOT_FETCHED, BoundQuery, Fetched, Parameter, Prepared

COUNTED: Final = 1000
"""Unread messages that are counted at most; views then say that there are more."""


class Unread(NamedTuple):
    """Unread messages and running tasks of one user.

    The whole set of ids is compared: ids are assigned before commit, so neither the highest id nor a time reveals
    every change.
    """

    ids: list[int]
    """Ids of the unread messages, newest first; at most `COUNTED` + 1, so that "more" is known."""
    tasks: list[tuple[str, str]]
    """Ids of the running tasks, each with the ISO time of its latest update."""


class StateQueries(NamedTuple):
    """Queries behind `Unread`; that of the messages reads an index only."""

    ids: BoundQuery
    tasks: BoundQuery

    def answer(self, fetched: Fetched = NOT_FETCHED) -> Unread:
        """Run the queries, unless ``fetched`` has their rows."""
        ids = [row[0] for row in self.ids.rows(fetched)]
        return Unread(ids, [(task_id, updated.isoformat()) for task_id, updated in self.tasks.rows(fetched)])


def of_user(pk: Any) -> StateQueries:
    """Return the bound queries for the inbox of the user with primary key ``pk``."""
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

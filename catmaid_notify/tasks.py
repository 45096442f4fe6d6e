"""A base for Celery tasks that work for a user: progress while they run, one message when they end.

    @shared_task(base=UserTask, bind=True)
    def export(self, neuron_ids):
        for done, neuron_id in enumerate(neuron_ids):
            ...
            self.progress(done + 1, len(neuron_ids), f"neuron {neuron_id}")

    export.delay_for(request.user, [1, 2, 3])

The user travels in a header of the task's message, or is its argument ``user_id``; there is no global state, so any
pool will do. Needs Celery.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery import Task
from celery.result import AsyncResult
from celery.signals import worker_process_shutdown
from django.db import DatabaseError, InterfaceError, OperationalError, router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catmaid_notify import api, publish
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import NotifyError, UnknownUser, UserTaskError
from catmaid_notify.models import Message, TaskProgress

logger = logging.getLogger("catmaid_notify")

T = TypeVar("T")

USER_HEADER: Final = "catmaid_notify_user"
"""Header of a task's message that holds the primary key of its user."""
DATABASE_WAITS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between tries to store the message of a task's end while the database is away."""


class UserTask(Task):
    """Base class of tasks with a user. Guarantees one message on success and one on failure, also when redelivered.

    Override `title`, `success_message` and `failure_message` to say it in words of your own.
    """

    abstract = True
    # Tells the user, too, when a worker process is killed or runs into the hard time limit.
    Request = "catmaid_notify.task_requests:UserRequest"

    user_argument = "user_id"
    """Argument that holds the primary key of the user where the header doesn't."""

    # For who starts the task

    def delay_for(self, user: Any, *args: Any, **kwargs: Any) -> AsyncResult:
        """Start the task for ``user`` (an instance or a primary key), with these arguments."""
        pk = getattr(user, "pk", user)
        header = pk if isinstance(pk, int) else str(pk)
        return self.apply_async(args, kwargs, headers={USER_HEADER: header})

    # For the task itself

    @property
    def user_id(self) -> Any:
        """Primary key of the user of this execution.

        Raises:
            UnknownUser: the task was started without one.
        """
        return self.user_of(self.request.headers, self.request.args or (), self.request.kwargs or {})

    def progress(self, done: float, total: float, text: str = "") -> None:
        """Say how far the task is. Throttled, so call it as often as you like; the latest state is kept.

        Never raises for what a database or a broker does: progress is not worth a failed task.
        """
        now = time.monotonic()
        if now < getattr(self.request, "catmaid_notify_next", 0.0) and done < total:
            return
        self.request.catmaid_notify_next = now + 1 / conf.PROGRESS_PER_SECOND
        try:
            self._report(done, total, text)
        except DatabaseError as error:
            logger.warning("Progress not stored: task=%s reason=%s", self.request.id, error)

    # For who words the messages

    def title(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return what this execution is called for people."""
        return str(self.name).rpartition(".")[2].replace("_", " ").capitalize()

    def success_message(self, result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str] | None:
        """Return the arguments of `notify_user` for a task that has returned ``result``; ``None``: no message."""
        return {"title": _("%s is finished") % self.title(args, kwargs), "level": api.Level.SUCCESS}

    def failure_message(
        self, exc: BaseException, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> dict[str, str] | None:
        """Return the arguments of `notify_user` for a task that has failed; never with a traceback."""
        return {
            "title": _("%s has failed") % self.title(args, kwargs),
            "text": failure_text(exc),
            "level": api.Level.ERROR,
        }

    # Celery's hooks

    def before_start(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Show the task as running. A task for a user who is gone ends here, before any work."""
        super().before_start(task_id, args, kwargs)
        pk = self.user_of(self.request.headers, args, kwargs)
        api.require_user(pk)
        self.request.catmaid_notify_next = 0.0
        try:
            self._report(0, 0, "")
        except DatabaseError as error:
            logger.warning("Progress not stored: task=%s reason=%s", task_id, error)

    def on_success(self, retval: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Tell the user that the task is finished."""
        super().on_success(retval, task_id, args, kwargs)
        pk = self.user_of(self.request.headers, args, kwargs)
        self.ended(pk, task_id, TaskProgress.State.SUCCESS, self.success_message, retval, args, kwargs)

    def on_failure(
        self, exc: BaseException, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], einfo: Any
    ) -> None:
        """Tell the user that the task has failed."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        self.failed(self.request.headers, task_id, exc, args, kwargs)

    # What the hooks share

    def failed(
        self,
        headers: Mapping[str, Any] | None,
        task_id: str,
        exc: BaseException,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Tell the user of a failure, wherever it was noticed; a second call for the same execution does nothing."""
        try:
            pk = self.user_of(headers, args, kwargs)
            self.ended(pk, task_id, TaskProgress.State.FAILURE, self.failure_message, exc, args, kwargs)
        except UnknownUser as error:
            logger.error("Nobody to tell that a task has failed: task=%s reason=%s", task_id, error)

    def ended(
        self,
        pk: Any,
        task_id: str,
        state: TaskProgress.State,
        words: Callable[[Any, Sequence[Any], Mapping[str, Any]], dict[str, str] | None],
        outcome: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Store the message and take the progress away, in one transaction; then push both."""
        key = f"task:{task_id}:{state}"
        last = TaskProgress.objects.filter(pk=task_id).first() or TaskProgress(
            task_id=task_id, user_id=pk, title=self.title(args, kwargs)[:255]
        )

        def store() -> None:
            with transaction.atomic(using=router.db_for_write(Message)):
                TaskProgress.objects.filter(pk=task_id).delete()
                message = self._worded(state, words, outcome, args, kwargs)
                if message is not None:
                    api.notify_user(pk, key=key, **message)

        _while_database_is_away(store)
        last.task_id, last.updated = task_id, timezone.now()
        if state == TaskProgress.State.SUCCESS:
            last.done = last.total = last.total or 1
        api.push_progress(last, state)

    def user_of(self, headers: Mapping[str, Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the primary key from the header, else from the argument; raises `UnknownUser` without either."""
        pk = (headers or {}).get(USER_HEADER)
        if pk is None:
            try:
                bound = inspect.signature(self.run).bind_partial(*args, **kwargs).arguments
            except TypeError:
                bound = dict(kwargs)
            pk = bound.get(self.user_argument, bound.get("kwargs", {}).get(self.user_argument))
        if pk is None:
            raise UnknownUser(
                f"Task {self.name} was started without a user: call {self.name}.delay_for(user, ...), or give it the "
                f"argument {self.user_argument!r}."
            )
        return api.user_pk(pk)

    def _worded(
        self,
        state: TaskProgress.State,
        words: Callable[[Any, Sequence[Any], Mapping[str, Any]], dict[str, str] | None],
        outcome: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> dict[str, Any] | None:
        """Return the task's own words, or ours where they fail: a user must not wait for a message in vain."""
        try:
            message = words(outcome, args, kwargs)
            if message is not None:
                api.check_message(**message)
        except Exception:  # words are host code, and may do whatever they like
            logger.exception("The words of task %s can't be used; taking the default ones.", self.name)
            fallback = UserTask.success_message if state == TaskProgress.State.SUCCESS else UserTask.failure_message
            return fallback(self, outcome, args, kwargs)
        return message

    def _report(self, done: float, total: float, text: str) -> None:
        request = self.request
        args, kwargs = request.args or (), request.kwargs or {}
        values = {
            "user_id": self.user_of(request.headers, args, kwargs),
            "title": self.title(args, kwargs)[:255],
            "done": float(done),
            "total": float(total),
            "text": str(text).replace("\0", "")[:500],
            "updated": timezone.now(),
        }
        row = TaskProgress(task_id=request.id, **values)
        if not TaskProgress.objects.filter(pk=request.id).update(**values):
            row.save(force_insert=True)
        api.push_progress(row, TaskProgress.State.RUNNING)


def failure_text(exc: BaseException) -> str:
    """Return what a user may read about an exception: its text if it was made for users, else nothing of it."""
    if isinstance(exc, UserTaskError):
        return str(exc)[: conf.TEXT_LENGTH_MAX].replace("\0", "")
    if isinstance(exc, SoftTimeLimitExceeded | TimeLimitExceeded):
        return _("It took longer than this site allows.")
    if isinstance(exc, WorkerLostError):
        return _("Its worker process was stopped. Please start it again.")
    if isinstance(exc, NotifyError):
        return str(exc)[: conf.TEXT_LENGTH_MAX]
    return _("An unexpected error happened. The administrators of this site find its cause in the log.")


def _while_database_is_away(store: Callable[[], T]) -> T:
    """Call ``store`` again, some times, while the database refuses connections."""
    for seconds in DATABASE_WAITS:
        try:
            return store()
        except (OperationalError, InterfaceError) as error:
            if transaction.get_connection(router.db_for_write(Message)).in_atomic_block:
                raise
            logger.warning("Message of a task's end not stored, trying again: reason=%s", error)
            transaction.get_connection(router.db_for_write(Message)).close()
            time.sleep(seconds)
    return store()


@worker_process_shutdown.connect(weak=False)
def _flush(**_kwargs: Any) -> None:
    """Worker processes end without Python's exit handlers: send what waits."""
    publish.flush()

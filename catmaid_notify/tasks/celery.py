"""`UserTask`, and what Celery's signals call. Needs Celery."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final, NamedTuple

from billiard.exceptions import TimeLimitExceeded
from celery import Task, shared_task, states
from celery.exceptions import Ignore
from celery.result import AsyncResult
from celery.signals import task_postrun, worker_process_shutdown
from django.db import router, transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from catmaid_notify import api, push
from catmaid_notify.content import KEY_LENGTH_MAX
from catmaid_notify.exceptions import UnknownUser
from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.tasks.db_retry import while_database_is_away
from catmaid_notify.tasks.probe import TASK, key_of
from catmaid_notify.tasks.progress import Progress, finite, in_transaction
from catmaid_notify.tasks.texts import failure_text, fit, fit_title

logger = logging.getLogger("catmaid_notify")

USER_HEADER: Final = "catmaid_notify_user"
"""Header of a task's message that holds the primary key of its user."""
DATABASE_WAITS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between tries to store the message of a task's end while the database is away."""


class End(NamedTuple):
    """How one execution of a task has ended, whoever has noticed it."""

    state: TaskProgress.State
    headers: Mapping[str, Any] | None
    task_id: str
    outcome: Any
    """What it has returned, or its exception."""
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


class UserTask(Task):
    """Base class of tasks with a user. Guarantees one message on success and one on failure, also when redelivered.

    Override `title`, `success_message` and `failure_message` to say it in words of your own.
    """

    abstract = True
    # Tells the user, too, when a worker process is killed or runs into the hard time limit.
    Request = "catmaid_notify.tasks.request:UserRequest"

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

        Never raises for what a user, a database or a broker does: progress is not worth a failed task.
        """
        self._progress.report(self._row(finite(done), finite(total), text))

    # For who words the messages

    def title(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return what this execution is called for people."""
        return str(self.name).rpartition(".")[2].replace("_", " ").capitalize()

    def success_message(self, result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str] | None:
        """Return the arguments of `notify_user` for a task that has returned ``result``; ``None``: no message."""
        return {
            "title": fit_title(_("%s is finished") % self._safe_title(args, kwargs)),
            "level": api.Level.SUCCESS,
        }

    def failure_message(
        self, exc: BaseException, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> dict[str, str] | None:
        """Return the arguments of `notify_user` for a task that has failed; never with a traceback."""
        return {
            "title": fit_title(_("%s has failed") % self._safe_title(args, kwargs)),
            "text": failure_text(exc),
            "level": api.Level.ERROR,
        }

    # Celery's hooks

    def before_start(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Show the task as running. A task for a user who is gone ends here, before any work."""
        super().before_start(task_id, args, kwargs)
        api.require_user(self.user_of(self.request.headers, args, kwargs))
        self._progress.begin(self._row(0, 0, ""))

    def on_success(self, retval: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Tell the user that the task is finished."""
        super().on_success(retval, task_id, args, kwargs)
        self.ended(End(TaskProgress.State.SUCCESS, self.request.headers, task_id, retval, args, kwargs))

    def on_failure(
        self, exc: BaseException, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], einfo: Any
    ) -> None:
        """Tell the user that the task has failed."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        # After a hard time limit Celery calls this in the worker's main process, where `UserRequest` tells of it.
        if self.request.id is None and isinstance(exc, TimeLimitExceeded):
            return
        self.failed(self.request.headers, task_id, exc, args, kwargs)

    def replace(self, sig: Any) -> Any:
        """Let another task go on in this one's place. It has the same id, so the progress stays until that one ends."""
        try:
            return super().replace(sig)
        except Ignore:
            self.request.catmaid_notify_is_replaced = True
            raise

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
        self.ended(End(TaskProgress.State.FAILURE, headers, task_id, exc, args, kwargs))

    def ended(self, end: End) -> None:
        """Tell of the end of this execution, as `tell_end` does; waits a while for a database that is away."""
        self._stop_progress()
        while_database_is_away(lambda: self.tell_end(end), DATABASE_WAITS)

    def tell_end(self, end: End) -> None:
        """Choose the message of an end, store it in place of the progress, and push both.

        A second call for the same execution and state stores and pushes no second message.

        Raises:
            OperationalError, InterfaceError: the database is away; the caller tries again.
        """
        try:
            pk = self.user_of(end.headers, end.args, end.kwargs)

            # 1. Word. Outside of the transaction: the words are host code, which must not hold locks on the inbox.
            message = self._message_of(end)

            # 2. Store. One transaction, so that a page finds either the progress or the message.
            with transaction.atomic(using=router.db_for_write(Message)):
                last = _take_progress(end.task_id)
                if message is not None:
                    api.notify_user(pk, key=_key(end.task_id, end.state), **message)  # pushes it on commit
        except UnknownUser as error:
            text = "Nobody to tell that a task has ended: task=%s state=%s reason=%s"
            logger.error(text, end.task_id, end.state, error)
            return

        # 3. Push the last state of the progress bar, also where no progress was ever stored.
        if last is None:
            last = TaskProgress(task_id=end.task_id, user_id=pk, title=self._safe_title(end.args, end.kwargs))
        last.updated = timezone.now()
        if end.state == TaskProgress.State.SUCCESS:
            last.done = last.total = last.total or 1
        api.push_progress(last, end.state)

    def _message_of(self, end: End) -> dict[str, Any] | None:
        """Return the task's own words, or ours where they fail: a user must not wait for a message in vain."""
        is_success = end.state == TaskProgress.State.SUCCESS
        words = self.success_message if is_success else self.failure_message
        using = router.db_for_write(Message)
        try:
            # Words may ask the database, and fail there: that must not break a transaction around the task.
            with transaction.atomic(using=using) if in_transaction(using) else nullcontext():
                message = words(end.outcome, end.args, end.kwargs)
            if message is not None:
                api.check_message(**message)
        except Exception:  # words are host code, and may do whatever they like
            logger.exception("The words of task %s can't be used; taking the default ones.", self.name)
            default = UserTask.success_message if is_success else UserTask.failure_message
            return default(self, end.outcome, end.args, end.kwargs)
        return message

    def user_of(self, headers: Mapping[str, Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the primary key from the header, else from the argument; raises `UnknownUser` without either."""
        pk = (headers or {}).get(USER_HEADER)
        if pk is None:
            pk = kwargs.get(self.user_argument)
        if pk is None:
            try:
                pk = inspect.signature(self.run).bind_partial(*args, **kwargs).arguments.get(self.user_argument)
            except TypeError:
                pass  # not the task's arguments; it is about to fail for that
        if pk is None:
            raise UnknownUser(
                f"Task {self.name} was started without a user: call {self.name}.delay_for(user, ...), or give it the "
                f"argument {self.user_argument!r}."
            )
        return api.user_pk(pk)

    def _after_run(
        self, state: str, outcome: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Say nothing more of this execution, however it ended. For `Ignore` and `Reject` Celery calls no hook."""
        self._stop_progress()
        if state == states.IGNORED and not getattr(self.request, "catmaid_notify_is_replaced", False):
            while_database_is_away(lambda: self._end_silently(task_id), DATABASE_WAITS)
        # Only a message that was not acknowledged at the start goes back into its queue.
        elif state == states.REJECTED and not (outcome.requeue and self.acks_late):
            self.failed(self.request.headers, task_id, outcome, args, kwargs)

    def _end_silently(self, task_id: str) -> None:
        """Take the bar away, of which pages know no other way than an end."""
        last = _take_progress(task_id)
        if last is not None:
            last.updated = timezone.now()
            api.push_progress(last, TaskProgress.State.SUCCESS)

    def _safe_title(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return the title, or the default one where the task's own can't be used."""
        try:
            title: Any = self.title(args, kwargs)
            if isinstance(title, str | Promise) and fit_title(title).strip():
                return fit_title(title)
            logger.error("The title of task %s is no text, but %.50r; taking the default one.", self.name, title)
        except Exception:  # host code
            logger.exception("The title of task %s can't be used; taking the default one.", self.name)
        return fit_title(UserTask.title(self, args, kwargs))

    def _row(self, done: float, total: float, text: str) -> TaskProgress:
        request = self.request
        args, kwargs = request.args or (), request.kwargs or {}
        return TaskProgress(
            task_id=request.id,
            user_id=self.user_of(request.headers, args, kwargs),
            title=self._safe_title(args, kwargs),
            done=done,
            total=total,
            text=fit(text, 500),
            updated=timezone.now(),
        )

    @property
    def _progress(self) -> Progress:
        """That of this execution; a task object is shared by all of a process."""
        progress: Progress | None = getattr(self.request, "catmaid_notify_progress", None)
        if progress is None:
            progress = self.request.catmaid_notify_progress = Progress()
        return progress

    def _stop_progress(self) -> None:
        progress: Progress | None = getattr(self.request, "catmaid_notify_progress", None)
        if progress is not None:
            progress.stop()


def _take_progress(task_id: str) -> TaskProgress | None:
    """Return the last progress, whose row is gone."""
    last = TaskProgress.objects.filter(pk=task_id).first()
    TaskProgress.objects.filter(pk=task_id).delete()
    return last


def _key(task_id: str, state: str) -> str:
    """Return the key under which the end of a task is stored once."""
    key = f"task:{task_id}:{state}"
    return key if len(key) <= KEY_LENGTH_MAX else f"task:{hashlib.sha256(key.encode()).hexdigest()}"


@shared_task(name=TASK, ignore_result=True)
def check(user_id: str, nonce: str) -> None:
    """Notify a user on behalf of ``manage.py notify_check``, which waits for the message and takes it away again."""
    # Not translated, as the command is not: it is there for a second, for who runs that.
    text = f"Sent by manage.py notify_check; it goes away by itself. ({nonce})"
    api.notify_user(user_id, "Messages are checked", text=text, key=key_of(nonce))


@task_postrun.connect(weak=False)
def _on_task_postrun(
    task: Task, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], state: str, retval: Any, **_kwargs: Any
) -> None:
    if isinstance(task, UserTask):
        task._after_run(state, retval, task_id, args, kwargs)


@worker_process_shutdown.connect(weak=False)
def _on_process_shutdown(**_kwargs: Any) -> None:
    """Worker processes end without Python's exit handlers: send what waits."""
    push.flush()

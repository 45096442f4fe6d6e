"""The `UserTask` base class, the task of ``notify_check``, and handlers of Celery's signals. Needs Celery."""

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
from catmaid_notify.types import UserLike

logger = logging.getLogger("catmaid_notify")

USER_HEADER: Final = "catmaid_notify_user"
"""Header of a task's message that holds the primary key of its user."""
DATABASE_WAITS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between attempts to store the end of a task while the database is away. The worker is busy meanwhile."""


class End(NamedTuple):
    """End of one execution of a task, noticed by the worker process or by the worker's main process."""

    state: TaskProgress.State
    headers: Mapping[str, Any] | None
    task_id: str
    outcome: Any
    """Return value, or exception."""
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


class UserTask(Task):
    """Base class of tasks that run for a user: a progress bar while they run, a message when they end.

    The user gets one message for the success of a task id and one for its failure, and no second one if the broker
    delivers the task again. A killed worker process, an exceeded time limit and a revoked task are failures, too.

    Override `title`, `success_message` and `failure_message` to choose the words. Their errors are logged, and the
    default words are used instead. An override of `before_start`, `on_success` or `on_failure` must call ``super()``.
    """

    abstract = True
    # The worker's main process reports through this class: only it notices killed processes and hard time limits.
    Request = "catmaid_notify.tasks.request:UserRequest"

    user_argument = "user_id"
    """Name of the task's argument that holds the primary key of the user where the header is missing."""

    # -- To start the task

    def delay_for(self, user: UserLike, *args: Any, **kwargs: Any) -> AsyncResult:
        """Start the task for a user; the counterpart of Celery's ``delay``.

        Args:
            user: instance of the user model, or its primary key. Not looked up here: if there is no such user, the task
                fails with `UnknownUser` before it does any work.
            *args: positional arguments of the task.
            **kwargs: keyword arguments of the task.

        Returns:
            Celery's result object.

        Raises:
            kombu.exceptions.OperationalError: Celery's broker can't be reached.
        """
        pk = getattr(user, "pk", user)
        # Celery's JSON encodes UUIDs in arguments; headers of AMQP messages can't hold them.
        header = pk if isinstance(pk, int) else str(pk)
        return self.apply_async(args, kwargs, headers={USER_HEADER: header})

    # -- For the body of the task

    @property
    def user_id(self) -> Any:
        """Primary key of the user of this execution.

        Raises:
            UnknownUser: the task was started without a user.
        """
        return self.user_of(self.request.headers, self.request.args or (), self.request.kwargs or {})

    def progress(self, done: float, total: float, text: str = "") -> None:
        """Show the progress of this execution on the user's pages.

        Calls are throttled to ``CATMAID_NOTIFY_PROGRESS_PER_SECOND``; a held back state is shown as soon as it is due.
        A deleted account, the database and the broker cause no exception: progress is not worth a failed task.

        Args:
            done: finished part, in any unit. Values that are not finite numbers count as 0.
            total: the whole, in the same unit. 0: unknown.
            text: current step, cut to 500 characters.

        Raises:
            UnknownUser: called outside of a running task.
        """
        self._progress.report(self._row(finite(done), finite(total), text))

    # -- To choose the words

    def title(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return the name of this execution for its user; by default the name of the task.

        Args:
            args: positional arguments of the execution.
            kwargs: keyword arguments of the execution.
        """
        return str(self.name).rpartition(".")[2].replace("_", " ").capitalize()

    def success_message(self, result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str] | None:
        """Return the message for a task that has succeeded.

        Args:
            result: return value of the task.
            args: positional arguments of the execution.
            kwargs: keyword arguments of the execution.

        Returns:
            ``title`` and, if wanted, ``text``, ``action`` and ``level`` for `notify_user`. ``None``: send no message.
        """
        return {
            "title": fit_title(_("%s is finished") % self._safe_title(args, kwargs)),
            "level": api.Level.SUCCESS,
        }

    def failure_message(
        self, exc: BaseException, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> dict[str, str] | None:
        """Return the message for a task that has failed. The default never holds a traceback.

        Args:
            exc: exception of the task. Celery's own classes say why a task was ended from outside:
                ``TimeLimitExceeded``, ``WorkerLostError``, ``TaskRevokedError``, ``Reject``.
            args: positional arguments of the execution.
            kwargs: keyword arguments of the execution.

        Returns:
            ``title`` and, if wanted, ``text``, ``action`` and ``level`` for `notify_user`. ``None``: send no message.
        """
        return {
            "title": fit_title(_("%s has failed") % self._safe_title(args, kwargs)),
            "text": failure_text(exc),
            "level": api.Level.ERROR,
        }

    # -- Celery's hooks

    def before_start(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Show the task as running.

        Raises:
            UnknownUser: there is no user, or the account was deleted. The task fails before it does any work.
        """
        super().before_start(task_id, args, kwargs)
        api.require_user(self.user_of(self.request.headers, args, kwargs))
        self._progress.begin(self._row(0, 0, ""))

    def on_success(self, retval: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Notify the user of the success."""
        super().on_success(retval, task_id, args, kwargs)
        self.ended(End(TaskProgress.State.SUCCESS, self.request.headers, task_id, retval, args, kwargs))

    def on_failure(
        self, exc: BaseException, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], einfo: Any
    ) -> None:
        """Notify the user of the failure."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        # After a hard time limit Celery calls this hook in the worker's main process, where `UserRequest` reports it.
        if self.request.id is None and isinstance(exc, TimeLimitExceeded):
            return
        self.failed(self.request.headers, task_id, exc, args, kwargs)

    def replace(self, sig: Any) -> Any:
        """Replace this task with another one, which has the same id and takes over the progress bar."""
        try:
            return super().replace(sig)
        except Ignore:
            self.request.catmaid_notify_is_replaced = True
            raise

    # -- Shared by the hooks and `UserRequest`

    def failed(
        self,
        headers: Mapping[str, Any] | None,
        task_id: str,
        exc: BaseException,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Notify the user of a failure, at most once for each task id."""
        self.ended(End(TaskProgress.State.FAILURE, headers, task_id, exc, args, kwargs))

    def ended(self, end: End) -> None:
        """Call `tell_end`, again for half a minute while the database is away."""
        # First, so that a timer of the throttle can't show the task as running after its end.
        self._stop_progress()
        while_database_is_away(lambda: self.tell_end(end), DATABASE_WAITS)

    def tell_end(self, end: End) -> None:
        """Choose the message of an end, store it in place of the progress, and push both.

        A second call for the same task id and state stores no second message. A missing user is logged.

        Raises:
            OperationalError, InterfaceError: the database is away. Nothing is stored; the caller tries again.
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
        """Return the task's own message, or the default one if that fails; ``None`` for no message."""
        is_success = end.state == TaskProgress.State.SUCCESS
        words = self.success_message if is_success else self.failure_message
        using = router.db_for_write(Message)
        try:
            # A savepoint: host code may fail in the database, which must not break a transaction around the task.
            with transaction.atomic(using=using) if in_transaction(using) else nullcontext():
                message = words(end.outcome, end.args, end.kwargs)
            if message is not None:
                api.check_message(**message)
        except Exception:  # host code raises anything, and the user must get a message all the same
            logger.exception("Message of a task can't be used, sending the default one: name=%s", self.name)
            default = UserTask.success_message if is_success else UserTask.failure_message
            return default(self, end.outcome, end.args, end.kwargs)
        return message

    def user_of(self, headers: Mapping[str, Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the primary key of the user from the header, else from the argument `user_argument`.

        Args:
            headers: headers of the task's message; ``None``: none.
            args: positional arguments of the execution.
            kwargs: keyword arguments of the execution.

        Raises:
            UnknownUser: neither holds a user, or the value can't be a primary key. The database is not queried.
        """
        pk = (headers or {}).get(USER_HEADER)
        if pk is None:
            pk = kwargs.get(self.user_argument)
        if pk is None:
            try:
                pk = inspect.signature(self.run).bind_partial(*args, **kwargs).arguments.get(self.user_argument)
            except TypeError:
                pass  # the arguments don't match the task's signature, for which Celery fails the task
        if pk is None:
            raise UnknownUser(
                f"Task {self.name} was started without a user. Start it with .delay_for(user, ...), or pass the "
                f"argument {self.user_argument!r}."
            )
        return api.user_pk(pk)

    def _after_run(
        self, state: str, outcome: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Stop the progress, and end executions that raised `Ignore` or `Reject`: Celery calls no hook for them."""
        self._stop_progress()
        if state == states.IGNORED and not getattr(self.request, "catmaid_notify_is_replaced", False):
            while_database_is_away(lambda: self._end_silently(task_id), DATABASE_WAITS)
        # A rejected task that goes back into its queue has not ended. Only late acknowledgement makes that possible.
        elif state == states.REJECTED and not (outcome.requeue and self.acks_late):
            self.failed(self.request.headers, task_id, outcome, args, kwargs)

    def _end_silently(self, task_id: str) -> None:
        """Remove the progress bar without a message. Pages remove a bar only at an end, so a success is pushed."""
        last = _take_progress(task_id)
        if last is not None:
            last.updated = timezone.now()
            api.push_progress(last, TaskProgress.State.SUCCESS)

    def _safe_title(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return the task's own title, or the default one if the own one fails; never raises."""
        try:
            title: Any = self.title(args, kwargs)
            if isinstance(title, str | Promise) and fit_title(title).strip():
                return fit_title(title)
            logger.error("Title of a task is not text, using the default one: name=%s title=%.50r", self.name, title)
        except Exception:  # host code raises anything
            logger.exception("Title of a task can't be used, using the default one: name=%s", self.name)
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
        """Progress of this execution. Kept in the request, since all executions of a process share the task object."""
        progress: Progress | None = getattr(self.request, "catmaid_notify_progress", None)
        if progress is None:
            progress = self.request.catmaid_notify_progress = Progress()
        return progress

    def _stop_progress(self) -> None:
        progress: Progress | None = getattr(self.request, "catmaid_notify_progress", None)
        if progress is not None:
            progress.stop()


def _take_progress(task_id: str) -> TaskProgress | None:
    """Delete the stored progress of a task, and return it; ``None`` if there is none."""
    last = TaskProgress.objects.filter(pk=task_id).first()
    TaskProgress.objects.filter(pk=task_id).delete()
    return last


def _key(task_id: str, state: str) -> str:
    """Return the key of the message for an end, which makes `notify_user` store that message once."""
    key = f"task:{task_id}:{state}"
    return key if len(key) <= KEY_LENGTH_MAX else f"task:{hashlib.sha256(key.encode()).hexdigest()}"


@shared_task(name=TASK, ignore_result=True)
def check(user_id: str, nonce: str) -> None:
    """Notify a user on behalf of ``manage.py notify_check``, which waits for the message and then deletes it."""
    # Not translated: the message exists for a second, for the administrator who runs the command.
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
    """Send all queued pushes. Celery's worker processes end without Python's exit handlers."""
    push.flush()

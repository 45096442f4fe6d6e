"""Celery request class of `UserTask`, which lives in a worker's main process.

Only the main process notices that a task was ended from outside: by a hard time limit, a killed worker process, or an
administrator's revocation.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.exceptions import TaskRevokedError
from celery.worker.request import Request

from catmaid_notify.models import TaskProgress
from catmaid_notify.tasks.celery import End
from catmaid_notify.tasks.reporter import tell_later


class UserRequest(Request):
    """Request that reports ends from outside to the user, through `catmaid_notify.tasks.reporter`."""

    _is_sent_again = False
    _success: Any = None
    """Entry of the result backend, if the process was lost after the task had stored its success."""

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001 - Celery's signature
        """Handle the task's time limits. After the hard one, the process is killed as soon as this method returns."""
        super().on_timeout(soft, timeout)
        if not soft and not self._runs_again():
            self._report_end(TaskProgress.State.FAILURE, TimeLimitExceeded(timeout))

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Handle a failure, and report the loss of a worker process: no code of the task can do that."""
        result = super().on_failure(exc_info, send_failed_event, return_ok)
        # Billiard wraps exceptions together with their tracebacks. For a lost process it may report SystemExit or
        # KeyboardInterrupt, with which the process ended, instead of WorkerLostError.
        exc = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(exc, WorkerLostError | SystemExit | KeyboardInterrupt):
            if self._success:
                self._report_end(TaskProgress.State.SUCCESS, self._success.get("result"))
            elif not self._runs_again():
                self._report_end(TaskProgress.State.FAILURE, WorkerLostError(str(exc)))
        return result

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002
        """Reject the message, and note whether the broker will deliver it again."""
        if requeue and not self.acknowledged:
            self._is_sent_again = True
        super().reject(requeue)

    def _retry_worker_lost(self, exc: BaseException, exc_info: Any) -> Any:
        is_retried = super()._retry_worker_lost(exc, exc_info)
        self._is_sent_again = self._is_sent_again or bool(is_retried)
        return is_retried

    def _success_was_stored(self) -> Any:
        self._success = super()._success_was_stored()
        return self._success

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:  # noqa: FBT001
        super()._announce_revoked(reason, terminated, signum, expired)
        self._report_end(TaskProgress.State.FAILURE, TaskRevokedError(reason))

    def _runs_again(self) -> bool:
        # Celery cancels a task when the connection to the broker is lost; the broker delivers its message again unless
        # the message was acknowledged.
        return self._is_sent_again or (self._already_cancelled and not self.acknowledged)

    def _report_end(self, state: TaskProgress.State, outcome: Any) -> None:
        headers, args, kwargs = self._context.headers, self.args or (), self.kwargs or {}
        tell_later(self.id, partial(self.task.tell_end, End(state, headers, self.id, outcome, args, kwargs)))

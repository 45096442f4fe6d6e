"""How a Celery worker's main process sees a `UserTask`: it alone notices what ends a task from outside."""

from __future__ import annotations

from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.exceptions import TaskRevokedError
from celery.worker.request import Request
from django.db import close_old_connections


class UserRequest(Request):
    """Tells the user what no code of the task can tell any more."""

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001 - Celery's signature
        """Handle the task's time limits; after the hard one its process has been killed."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._tell(TimeLimitExceeded(timeout))

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Handle a failure; of a lost process only this one knows."""
        result = super().on_failure(exc_info, send_failed_event, return_ok)
        # Billiard wraps exceptions with their tracebacks, and may report how a process ended instead of its loss.
        exc = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(exc, WorkerLostError | SystemExit | KeyboardInterrupt) and not self._runs_again():
            self._tell(WorkerLostError(str(exc)))
        return result

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:  # noqa: FBT001
        super()._announce_revoked(reason, terminated, signum, expired)
        self._tell(TaskRevokedError(reason))

    def _runs_again(self) -> bool:
        return bool(self.task.acks_late and self.task.reject_on_worker_lost)

    def _tell(self, exc: BaseException) -> None:
        headers = self._context.headers
        close_old_connections()
        try:
            self.task.failed(headers, self.id, exc, self.args or (), self.kwargs or {})
        finally:
            close_old_connections()

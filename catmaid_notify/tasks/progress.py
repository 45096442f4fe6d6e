"""How far one execution of a task is: its row, and what pages are told meanwhile."""

from __future__ import annotations

import logging
import math
import threading
from typing import Any

from django.db import DatabaseError, connections, router, transaction

from catmaid_notify import api
from catmaid_notify.conf import conf
from catmaid_notify.models import TaskProgress
from catmaid_notify.tasks.throttle import Throttle

logger = logging.getLogger("catmaid_notify")


class Progress:
    """Shows what one execution says of itself, until it ends: here, or from outside, by a worker's main process.

    Never raises for what a database or a broker does: progress is not worth a failed task.
    """

    def __init__(self) -> None:
        self._throttle = Throttle(self._show, 1 / conf.PROGRESS_PER_SECOND)
        self._is_complete = False
        self._is_stored = False

    def begin(self, row: TaskProgress) -> None:
        """Show the task as running. A redelivered task goes on with the row that it has."""
        self._show(row)

    def report(self, row: TaskProgress) -> None:
        """Show this state now if that is due, or if it is the first one that is complete; else later."""
        was_complete, self._is_complete = self._is_complete, 0 < row.total <= row.done
        # The timer's thread must not wait for a row that the task's own transaction has locked.
        row.is_locked = in_transaction(router.db_for_write(TaskProgress))
        self._throttle(row, at_once=self._is_complete and not was_complete)

    def stop(self) -> None:
        """Show nothing any more, also not what is held back."""
        self._throttle.stop()

    def _show(self, row: TaskProgress) -> None:
        """Store and push it; from the task's thread, or from one of its own while the task is busy."""
        is_timer = isinstance(threading.current_thread(), threading.Timer)
        if (is_timer and row.is_locked) or self._store(row, is_timer=is_timer):
            api.push_progress(row, TaskProgress.State.RUNNING)

    def _store(self, row: TaskProgress, *, is_timer: bool) -> bool:
        """Return false if the task has ended from outside meanwhile, which has taken its row away."""
        values = {name: getattr(row, name) for name in ("user_id", "title", "done", "total", "text", "updated")}
        try:
            # A savepoint: an error must not break a transaction of the task's own.
            with transaction.atomic(using=router.db_for_write(TaskProgress)):
                if not TaskProgress.objects.filter(pk=row.pk).update(**values):
                    if self._is_stored:
                        return False
                    row.save(force_insert=True)
            self._is_stored = True
        except DatabaseError as error:
            logger.warning("Progress not stored: task=%s reason=%s", row.pk, error)
        finally:
            if is_timer:
                connections.close_all()  # this thread's own, which nobody else would close
        return True


def in_transaction(using: str) -> bool:
    """Return whether the calling thread is in a transaction on this database."""
    return bool(transaction.get_connection(using).in_atomic_block)


def finite(value: Any) -> float:
    """Return a finite number that JSON and databases know; 0 for what is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0

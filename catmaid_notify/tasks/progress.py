"""Progress of one execution of a task: stored for pages that open later, pushed to those that are open."""

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
    """Throttled progress of one execution. It ends with `stop`, or when a worker's main process deletes its row.

    Database errors are logged, and broker errors are left to the publisher: progress is not worth a failed task.
    """

    def __init__(self) -> None:
        self._throttle = Throttle(self._show, 1 / conf.PROGRESS_PER_SECOND)
        self._is_complete = False
        self._is_stored = False

    def begin(self, row: TaskProgress) -> None:
        """Show the task as running. A redelivered task reuses the row of its first delivery."""
        self._show(row)

    def report(self, row: TaskProgress) -> None:
        """Show this state now if the throttle permits or if it is the first complete state, else later."""
        was_complete, self._is_complete = self._is_complete, 0 < row.total <= row.done
        # Read by `_show` in the timer's thread, which must not wait for a row that the task's transaction has locked.
        row.is_locked = in_transaction(router.db_for_write(TaskProgress))
        self._throttle(row, at_once=self._is_complete and not was_complete)

    def stop(self) -> None:
        """Show nothing any more, and drop a state that the throttle holds back."""
        self._throttle.stop()

    def _show(self, row: TaskProgress) -> None:
        """Store and push a state; called by the task's thread, or by the throttle's timer while the task is busy."""
        is_timer = isinstance(threading.current_thread(), threading.Timer)
        if (is_timer and row.is_locked) or self._store(row, is_timer=is_timer):
            api.push_progress(row, TaskProgress.State.RUNNING)

    def _store(self, row: TaskProgress, *, is_timer: bool) -> bool:
        """Write the row; return false if another process has ended the task meanwhile and deleted its row."""
        values = {name: getattr(row, name) for name in ("user_id", "title", "done", "total", "text", "updated")}
        try:
            # A savepoint, so that an error doesn't break a transaction of the task.
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
                connections.close_all()  # connections belong to a thread, and this one is about to end
        return True


def in_transaction(using: str) -> bool:
    """Return true if the calling thread is in a transaction on the database ``using``."""
    return bool(transaction.get_connection(using).in_atomic_block)


def finite(value: Any) -> float:
    """Return ``value`` as a finite float, which JSON and databases can hold; 0 if it is not a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0

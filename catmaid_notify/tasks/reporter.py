"""Background thread that reports the ends of tasks from a Celery worker's main process. Needs Celery.

The event loop of the main process serves all tasks of the worker, so it must not wait for a database. In particular, it
must not wait for a row that is locked by a worker process which this very loop is about to kill.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from celery.signals import worker_shutdown
from django.db import connections

from catmaid_notify import push
from catmaid_notify.tasks.db_retry import while_database_is_away

logger = logging.getLogger("catmaid_notify")

DATABASE_WAITS: Final = (1.0, 2.0, *[5.0] * 120)
"""Seconds between attempts to report one task while the database is away. Ten minutes in all: no task is held up."""
STOP_SECONDS: Final = 10.0
"""Seconds that a stopping worker waits for reports that are not done yet."""


class _Teller:
    """Queue of reports, run in order by a thread that ends when the queue is empty."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._untold: deque[tuple[str, Callable[[], object]]] = deque()
        self._thread: threading.Thread | None = None

    def put(self, task_id: str, tell: Callable[[], object]) -> None:
        with self._changed:
            self._untold.append((task_id, tell))
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="catmaid-notify-tasks", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system has no more threads
                    # The report stays in the queue; the next `put` tries again to start the thread.
                    logger.exception("End of a task is reported later, no thread could be started: task=%s", task_id)
                else:
                    self._thread = thread

    @property
    def is_idle(self) -> bool:
        return not self._untold

    def wait(self, seconds: float) -> list[str]:
        """Wait until the queue is empty, give up the rest, and return the task ids of the given up reports."""
        with self._changed:
            self._changed.wait_for(lambda: not self._untold, timeout=seconds)
            left = [task_id for task_id, _ in self._untold]
            self._untold.clear()
            return left

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._untold:
                    self._thread = None
                    return
                told = self._untold[0]
            try:
                _report(*told)
            finally:
                with self._changed:
                    if self._untold and self._untold[0] is told:
                        self._untold.popleft()
                    self._changed.notify_all()


def tell_later(task_id: str, tell: Callable[[], object]) -> None:
    """Call ``tell`` in the background thread, after earlier calls have been done. Never raises and never waits.

    Args:
        task_id: id of the task, for the log.
        tell: reports the end of the task. It is called again for ten minutes while the database is away; any other
            error is logged and ends the attempt.
    """
    _teller.put(task_id, tell)


def wait(seconds: float = STOP_SECONDS) -> None:
    """Wait until all ends of tasks are reported and pushed; called when the process is about to end.

    Args:
        seconds: longest wait. Reports that are not done by then are logged and lost.
    """
    if _teller.is_idle:
        return
    for task_id in _teller.wait(seconds):
        logger.error("End of a task not reported before the worker stopped: task=%s", task_id)
    push.flush()


def _report(task_id: str, tell: Callable[[], object]) -> None:
    try:
        try:
            while_database_is_away(tell, DATABASE_WAITS)
        finally:
            connections.close_all()  # connections belong to a thread, and this one may end after this report
    except BaseException:  # host code chooses the words, and may even call sys.exit(); later reports must still run
        logger.exception("End of a task not reported: task=%s", task_id)


@worker_shutdown.connect(weak=False)
def _wait(**_kwargs: Any) -> None:
    wait()


def _forget() -> None:
    """Start with an empty queue after a fork: the parent's thread reports the parent's queue."""
    global _teller
    _teller = _Teller()


_teller = _Teller()
atexit.register(wait)  # at a cold shutdown (without waiting for its tasks) Celery doesn't send worker_shutdown
os.register_at_fork(after_in_child=_forget)

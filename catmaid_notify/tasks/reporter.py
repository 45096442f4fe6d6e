"""A thread for what a Celery worker's main process has to tell users. Needs Celery.

The loop of that process serves all of its tasks, so it must not wait for a database. Least of all for a row that is
locked by a process which the same loop is about to kill.
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
"""Seconds between tries to tell of one task while the database is away: ten minutes, as no task is held up."""
STOP_SECONDS: Final = 10.0
"""How long a worker that ends waits for what is not told yet."""


class _Teller:
    """Tells one thing after another, as given, in a thread that lives as long as there is something to tell."""

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
                    logger.exception("The end of a task is told later: task=%s", task_id)
                else:
                    self._thread = thread

    @property
    def is_idle(self) -> bool:
        return not self._untold

    def wait(self, seconds: float) -> list[str]:
        """Return the ids of the tasks that are not told of after so long, and give those up."""
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
    """Call ``tell`` in the thread, after what was given before; again and again while the database is away.

    Never raises and never waits; what can't be told is logged.
    """
    _teller.put(task_id, tell)


def wait(seconds: float = STOP_SECONDS) -> None:
    """Wait until all is told and sent, for a process that is about to end; what is not by then is logged and lost."""
    if _teller.is_idle:
        return
    for task_id in _teller.wait(seconds):
        logger.error("The end of a task could not be told before the worker's own end: task=%s", task_id)
    push.flush()


def _report(task_id: str, tell: Callable[[], object]) -> None:
    try:
        try:
            while_database_is_away(tell, DATABASE_WAITS)
        finally:
            connections.close_all()  # this thread's own, which nobody else would close
    except BaseException:  # words are host code, and may even exit; the next one has to be told all the same
        logger.exception("The end of a task could not be told: task=%s", task_id)


@worker_shutdown.connect(weak=False)
def _wait(**_kwargs: Any) -> None:
    wait()


def _forget() -> None:
    """After a fork the thread is the parent's, and so is what it has to tell."""
    global _teller
    _teller = _Teller()


_teller = _Teller()
atexit.register(wait)  # Celery sends no signal when it is ended without waiting for its tasks
os.register_at_fork(after_in_child=_forget)

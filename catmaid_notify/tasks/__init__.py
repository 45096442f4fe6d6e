"""Base class for Celery tasks that run for a user: progress while they run, one message when they end.

    @shared_task(base=UserTask, bind=True)
    def export(self, neuron_ids):
        for done, neuron_id in enumerate(neuron_ids):
            ...
            self.progress(done + 1, len(neuron_ids), f"neuron {neuron_id}")

    export.delay_for(request.user, [1, 2, 3])

The user's primary key travels in a header of the task's message, or is the task's argument ``user_id``. No global state
is used, so every pool works: prefork, threads, gevent, solo. `UserTask` needs Celery; the package itself does not.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catmaid_notify.tasks.celery import USER_HEADER, UserTask

__all__ = ["USER_HEADER", "UserTask"]


def __getattr__(name: str) -> Any:
    # Imported on first access, because ``manage.py notify_check`` uses `probe` on sites without Celery, too.
    if name in __all__:
        return getattr(import_module(f"{__name__}.celery"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if "celery" in sys.modules:
    # Celery's autodiscovery only imports this package, and expects its tasks to be registered afterwards.
    import_module(f"{__name__}.celery")

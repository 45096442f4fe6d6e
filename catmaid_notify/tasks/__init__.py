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

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catmaid_notify.tasks.celery import USER_HEADER, UserTask

__all__ = ["USER_HEADER", "UserTask"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: other modules of this package are of use without Celery.
    if name in __all__:
        return getattr(import_module(f"{__name__}.celery"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if "celery" in sys.modules:
    # Celery's autodiscovery imports the package and expects its tasks to be registered then.
    import_module(f"{__name__}.celery")

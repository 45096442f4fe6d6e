"""Tasks that the tests start in worker processes."""

from __future__ import annotations

import os
import time

from asgiref.sync import async_to_sync
from celery import shared_task
from celery.exceptions import Ignore, Reject
from channels.layers import get_channel_layer
from django.db import transaction

from catmaid_notify.exceptions import UserTaskError
from catmaid_notify.tasks import UserTask


@shared_task(base=UserTask, bind=True)
def count(self: UserTask, total: int) -> int:
    """Report ``total`` steps, and return how many there were."""
    for done in range(1, total + 1):
        self.progress(done, total, f"step {done}")
    return total


@shared_task(base=UserTask, bind=True)
def fail(self: UserTask, text: str, *, for_people: bool = True) -> None:
    """Fail, with a text that the user may read or one that is nobody's business."""
    raise UserTaskError(text) if for_people else RuntimeError(text)


@shared_task
def send_through_layer(group: str, count: int) -> int:
    """Send messages by the channel layer itself, as code does that knows nothing of this app; returns the process."""
    for number in range(count):
        async_to_sync(get_channel_layer().group_send)(group, {"type": "a", "n": number, "pid": os.getpid()})
    return os.getpid()


@shared_task(base=UserTask, bind=True)
def until(self: UserTask, gate: str, *, error: str = "") -> None:
    """Be a quarter done until there is a file of that name, then end, well or not."""
    self.progress(1, 4, "step 1")
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.05)
    if error:
        raise UserTaskError(error)


@shared_task(base=UserTask, bind=True)
def wait(self: UserTask, seconds: float) -> None:
    """Say that it runs, in which process, and do nothing for a while."""
    self.progress(1, 2, f"pid {os.getpid()}")
    time.sleep(seconds)


@shared_task(base=UserTask, bind=True)
def wait_in_transaction(self: UserTask, seconds: float, user_id: object = None) -> None:
    """The same in a transaction, which holds the row of the task's progress locked."""
    with transaction.atomic():
        self.progress(1, 2, f"pid {os.getpid()}")
        time.sleep(seconds)


@shared_task(base=UserTask, bind=True)
def leave(self: UserTask, way: str) -> None:
    """End as Celery calls no hook for: "ignore", "reject", or "replace" by a task that counts."""
    self.progress(1, 2, f"pid {os.getpid()}")
    if way == "reject":
        raise Reject("no way")
    if way == "replace":
        self.replace(count.si(1).set(headers=self.request.headers))
    raise Ignore

"""The task that cuts a region out of a stack and tells its user when it is done."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_revoked
from django.db import transaction
from django.urls import reverse

from catmaid_notify.exceptions import UserTaskError
from catmaid_notify.tasks import USER_HEADER, UserTask
from catmaid_notify.tasks.reporter import tell_later
from demo.conf import conf
from demo.crops.models import UNFINISHED, Crop, State
from demo.crops.stacks import stacks
from demo.tiff_export import Region, RegionError, remove_leftovers, write_crop
from demo.tiff_export.interrupt import sigterm_raises
from demo.tiff_export.region import megabytes
from demo.volumes import StackConfigError, VolumeError

logger = logging.getLogger("demo.crops")

stopping: Final = threading.Event()
"""Set when this process is to end: crops in its worker threads stop at the next slice."""

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""EFBIG: the limit of the file system, or of this process, for a single file."""


class CropTask(UserTask):
    """The words in which a crop is announced. The task has the id of its crop."""

    abstract = True

    def title(self, args: Any, kwargs: Any) -> str:
        """See UserTask.title()."""
        return str(kwargs.get("title") or "Crop")

    def success_message(self, result: Any, args: Any, kwargs: Any) -> dict[str, Any] | None:
        """See UserTask.success_message()."""
        if result is None:
            return None
        return {
            "title": f"{self.title(args, kwargs)} is ready",
            "text": f"{result['dimensions']} pixels, {megabytes(result['file_bytes'])}. "
            f"The file is kept for {conf.CROP_DAYS} days.",
            "action": reverse("crops:download", args=[result["id"]]),
            "level": "success",
        }


@shared_task(
    base=CropTask,
    bind=True,
    name="demo.crop",
    # Acknowledged when done, not when begun: a worker that is killed loses nothing, since another one does it again.
    acks_late=True,
    reject_on_worker_lost=True,
    throws=(UserTaskError,),  # foreseen, so Celery logs no traceback
)
def crop(self: CropTask, crop_id: str, *, title: str = "") -> dict[str, Any] | None:
    """Write the file of a crop; ``None`` when nobody waits for it any more."""
    row = Crop.objects.filter(pk=crop_id).first()
    if row is None:
        _dropped(crop_id)
        return None
    # A task that has ended comes again when its worker was killed before it could tell its user, which follows now.
    if row.state == State.FAILED:
        raise UserTaskError(row.error)
    if row.state in UNFINISHED:
        row.start()
        _cut(row, self.progress)
    if not Crop.objects.filter(pk=crop_id).exists():
        row.path.unlink(missing_ok=True)
        _dropped(crop_id)
        return None
    return {"id": crop_id, "dimensions": row.dimensions, "file_bytes": row.file_bytes}


def fail_from_outside(crop_id: str, text: str) -> None:
    """End a crop whose task can't do it itself any more, and tell its user."""
    row = Crop.objects.filter(pk=crop_id).unfinished().first()
    if row is not None:
        # In one transaction: of a crop that has failed already nobody would be told any more.
        with transaction.atomic():
            row.fail(text)
            crop.failed({USER_HEADER: row.owner.pk}, crop_id, UserTaskError(text), [crop_id], {"title": row.title})


@task_revoked.connect(weak=False)
def _cancelled(request: Any, **_kwargs: Any) -> None:
    """Tell the user when who runs the site has revoked the task, before `UserTask` does so in words of its own."""
    if request.task == crop.name:
        text = "It was cancelled by who runs this server."
        tell_later(request.id, partial(fail_from_outside, request.id, text))


def _dropped(crop_id: str) -> None:
    logger.warning("A crop whose user was deleted is dropped: crop=%s", crop_id)


def _cut(row: Crop, progress: Callable[..., Any]) -> None:
    """Write the file and note how that ended."""
    remove_leftovers(conf.CROPS)  # of worker processes that were killed, perhaps while they wrote this very crop
    try:
        with sigterm_raises():
            file_bytes = _write(row, progress)
    except UserTaskError as error:
        logger.warning("A crop failed: crop=%s reason=%r", row.pk, error.__cause__ or error)
        row.fail(str(error))
        raise
    except Exception:
        row.fail("An unexpected error happened on the server; it was logged.")
        raise
    except SystemExit:
        row.wait()
        raise
    row.finish(file_bytes)


def _write(row: Crop, progress: Callable[..., Any]) -> int:
    """Write the file and return its size; whatever a user may know of what can go wrong becomes a UserTaskError."""

    def report(done: int, total: int) -> None:
        if stopping.is_set():
            raise UserTaskError("The server is being stopped. Please ask for this crop again later.")
        progress(done, total, f"slice {done:,} of {total:,}")

    try:
        # Again, since stacks and limits may have changed while the task waited.
        region = Region.checked(row.request, stacks(), bytes_max=conf.CROP_BYTES_MAX)
        row.path.parent.mkdir(parents=True, exist_ok=True)
        return write_crop(region, row.path, progress=report)
    except RegionError as error:
        raise UserTaskError(str(error)) from error
    except StackConfigError as error:
        raise UserTaskError("The server's list of image stacks is wrong; please tell who runs it.") from error
    except SoftTimeLimitExceeded as error:
        raise _too_slow() from error
    except VolumeError as error:
        # The signal of the time limit may arrive within the code of a volume, which takes it for its own failure.
        if isinstance(error.__cause__, SoftTimeLimitExceeded):
            raise _too_slow() from error
        raise UserTaskError(f"{error} Nothing was written; please tell who runs this server.") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise UserTaskError(
                "The server's disk is full. Nothing was written; please try a smaller region, or again later."
            ) from error
        raise UserTaskError("The server can't write the file; please tell who runs it.") from error


def _too_slow() -> UserTaskError:
    minutes = conf.CROP_SECONDS_MAX / 60
    return UserTaskError(f"The crop took longer than {minutes:.0f} min and was stopped. Please try a smaller one.")

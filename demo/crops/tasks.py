"""Task that crops a region out of a stack and notifies its user."""

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
"""Set when this process is about to end. Crops in its worker threads then stop at the next slice."""

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a full disk. EFBIG is the limit of the file system, or of this process, for a single file."""


class CropTask(UserTask):
    """Messages about crops. The id of the task is that of its crop."""

    abstract = True

    def title(self, args: Any, kwargs: Any) -> str:
        """Return the title of the crop; see UserTask.title()."""
        return str(kwargs.get("title") or "Crop")

    def success_message(self, result: Any, args: Any, kwargs: Any) -> dict[str, Any] | None:
        """Return a message with a link to the file; see UserTask.success_message()."""
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
    # Acknowledged after the work: if the worker is killed, the broker gives the task to another one.
    acks_late=True,
    reject_on_worker_lost=True,
    throws=(UserTaskError,),  # expected errors, for which Celery logs no traceback
)
def crop(self: CropTask, crop_id: str, *, title: str = "") -> dict[str, Any] | None:
    """Write the file of a crop; return ``None`` if the crop was deleted."""
    row = Crop.objects.filter(pk=crop_id).first()
    if row is None:
        _dropped(crop_id)
        return None
    # A finished task comes again if its worker was killed before it could notify its user, which happens now.
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
    """Fail a crop whose task can't do that itself any more, and notify its user."""
    row = Crop.objects.filter(pk=crop_id).unfinished().first()
    if row is not None:
        # One transaction: if the message can't be stored, the crop stays unfinished and a later call notifies the user.
        with transaction.atomic():
            row.fail(text)
            crop.failed({USER_HEADER: row.owner.pk}, crop_id, UserTaskError(text), [crop_id], {"title": row.title})


@task_revoked.connect(weak=False)
def _cancelled(request: Any, **_kwargs: Any) -> None:
    """Notify the user of a revoked task. This runs before `UserTask`, so the text of the demo wins."""
    if request.task == crop.name:
        text = "It was cancelled by the administrators of this server."
        tell_later(request.id, partial(fail_from_outside, request.id, text))


def _dropped(crop_id: str) -> None:
    logger.warning("A crop whose user was deleted is dropped: crop=%s", crop_id)


def _cut(row: Crop, progress: Callable[..., Any]) -> None:
    """Write the file, and store the outcome."""
    remove_leftovers(conf.CROPS)  # files of killed workers, perhaps of this very crop
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
    """Write the file and return its size. Errors that a user can understand become a UserTaskError."""

    def report(done: int, total: int) -> None:
        if stopping.is_set():
            raise UserTaskError("The server is being stopped. Please ask for this crop again later.")
        progress(done, total, f"slice {done:,} of {total:,}")

    try:
        # Checked again: stacks and limits may have changed while the task waited.
        region = Region.checked(row.request, stacks(), bytes_max=conf.CROP_BYTES_MAX)
        row.path.parent.mkdir(parents=True, exist_ok=True)
        return write_crop(region, row.path, progress=report)
    except RegionError as error:
        raise UserTaskError(str(error)) from error
    except StackConfigError as error:
        raise UserTaskError("The server's list of image stacks is wrong; please tell its administrators.") from error
    except SoftTimeLimitExceeded as error:
        raise _too_slow() from error
    except VolumeError as error:
        # The signal of the time limit may interrupt a volume's code, which takes it for an error of its own.
        if isinstance(error.__cause__, SoftTimeLimitExceeded):
            raise _too_slow() from error
        raise UserTaskError(f"{error} Nothing was written; please tell the administrators of this server.") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise UserTaskError(
                "The server's disk is full. Nothing was written; please try a smaller region, or again later."
            ) from error
        raise UserTaskError("The server can't write the file; please tell its administrators.") from error


def _too_slow() -> UserTaskError:
    minutes = conf.CROP_SECONDS_MAX / 60
    return UserTaskError(f"The crop took longer than {minutes:.0f} min and was stopped. Please try a smaller one.")

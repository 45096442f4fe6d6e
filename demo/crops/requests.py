"""Requests for crops: check, database row, task."""

from __future__ import annotations

import json
import logging
import shutil
from typing import Any

from django.http import HttpRequest
from kombu.exceptions import OperationalError

from catmaid_notify.tasks import USER_HEADER
from demo.conf import conf
from demo.crops.models import Crop
from demo.crops.stacks import stacks
from demo.crops.tasks import crop as crop_task
from demo.tiff_export import Region, RegionError

logger = logging.getLogger("demo.crops")

BODY_BYTES_MAX = 10_000


class Refused(Exception):
    """The crop is refused. The text is for the user."""

    def __init__(self, text: str, *, status: int, field: str = "") -> None:
        super().__init__(text)
        self.status = status
        """Status of the HTTP response."""
        self.field = field
        """Name of the wrong entry of the request; empty: none."""


def region_of(request: HttpRequest) -> Region:
    """Return the region in the body of a request.

    Raises:
        Refused: the body is not JSON, or the region can't be cropped.
    """
    try:
        if int(request.headers.get("Content-Length") or 0) > BODY_BYTES_MAX:
            raise Refused("The request is too long.", status=413)
        content = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise Refused("The request is not JSON.", status=400) from error
    try:
        return Region.checked(content, stacks(), bytes_max=conf.CROP_BYTES_MAX)
    except RegionError as error:
        raise Refused(str(error), status=400, field=error.field) from error


def start_crop(region: Region, user: Any) -> Crop:
    """Save a crop of the region, start its task, and return it.

    Raises:
        Refused: the user has too many unfinished crops, the disk is too full, or Celery's broker can't be reached.
    """
    if Crop.objects.of(user).unfinished().count() >= conf.CROPS_AT_ONCE:
        raise Refused(
            f"You have {conf.CROPS_AT_ONCE} crops under way. Please wait until one of them is done.",
            status=429,
        )
    conf.CROPS.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(conf.CROPS).free < region.size_bytes + conf.DISK_RESERVE_BYTES:
        raise Refused("The server's disk has no room for a crop of this size. Please choose a smaller one.", status=507)
    row = Crop.of_region(region, user)
    row.save(force_insert=True)
    try:
        crop_task.apply_async(
            args=[str(row.pk)],
            kwargs={"title": row.title},
            headers={USER_HEADER: user.pk},
            task_id=str(row.pk),
            soft_time_limit=conf.CROP_SECONDS_MAX,
        )
    except (OperationalError, OSError) as error:
        logger.error("Crop refused, Celery's broker can't be reached: crop=%s reason=%s", row.pk, error)
        row.delete()
        raise Refused("The server's task queue can't be reached now. Please try again later.", status=503) from error
    return row

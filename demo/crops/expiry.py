"""Removal of old files, and of crops whose tasks were lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from django.utils import timezone

from demo.conf import conf
from demo.crops.models import Crop
from demo.crops.tasks import fail_from_outside
from demo.tiff_export import remove_leftovers

STUCK_HOURS: Final = 24
"""Hours after which a waiting crop counts as lost. A queue may be long, but not a day."""


def remove_expired(*, days: float | None = None, dry_run: bool = False) -> int:
    """Remove the files that are older than ``days``, or belong to no crop; return their number.

    ``None`` stands for DEMO_CROP_DAYS. With ``dry_run`` the files are only counted.
    """
    folder = conf.CROPS
    removed = 0
    for row in Crop.objects.older_than(conf.CROP_DAYS if days is None else days):
        removed += 1
        if not dry_run:
            row.expire()
    for path in list(_files_of_nobody(folder)):
        removed += 1
        if not dry_run:
            path.unlink(missing_ok=True)
    if not dry_run and folder.is_dir():
        remove_leftovers(folder)
    return removed


def fail_stuck() -> int:
    """Fail the crops that have waited for `STUCK_HOURS`, notify their users, and return the number of crops."""
    latest = timezone.now() - timedelta(hours=STUCK_HOURS)
    stuck = [str(row.pk) for row in Crop.objects.unfinished().filter(created__lt=latest)]
    for crop_id in stuck:
        fail_from_outside(crop_id, "The server has lost it. Please ask for this crop again.")
    return len(stuck)


def fail_lost() -> int:
    """Fail the unfinished crops of a process that has ended, notify their users, and return the number of crops."""
    lost = [str(row.pk) for row in Crop.objects.unfinished()]
    for crop_id in lost:
        fail_from_outside(crop_id, "The server was restarted. Please ask for this crop again.")
    return len(lost)


def _files_of_nobody(folder: Path) -> Iterator[Path]:
    """Yield the files without a crop, such as those of deleted users."""
    for path in folder.glob("*.tif"):
        try:
            known = Crop.objects.filter(pk=UUID(path.stem)).exists()
        except ValueError:
            continue  # not a file of ours
        if not known:
            yield path

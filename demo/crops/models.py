"""Crops in the database: region, owner and progress."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from demo.conf import conf
from demo.tiff_export import Region


class State(models.TextChoices):
    """State of a crop."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    EXPIRED = "expired", "expired"


UNFINISHED = (State.QUEUED, State.RUNNING)


class CropQuerySet(models.QuerySet["Crop"]):
    """Filters for crops."""

    def of(self, user: Any) -> CropQuerySet:
        """Return the crops of this user."""
        return self.filter(owner=user)

    def unfinished(self) -> CropQuerySet:
        """Return the crops that wait or are in progress."""
        return self.filter(state__in=UNFINISHED)

    def older_than(self, days: float) -> CropQuerySet:
        """Return the finished crops that are older than ``days`` days."""
        return self.filter(state=State.DONE, finished__lt=timezone.now() - timedelta(days=days))


class Crop(models.Model):
    """One crop. The region is kept as requested, in pixels of zoom level 0."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="crops")
    stack = models.CharField(max_length=64)
    title = models.CharField(max_length=100)
    """Name for people."""
    dimensions = models.CharField(max_length=60)
    """Columns × rows × slices, for people."""
    x0 = models.PositiveIntegerField()
    x1 = models.PositiveIntegerField()
    y0 = models.PositiveIntegerField()
    y1 = models.PositiveIntegerField()
    z0 = models.PositiveIntegerField()
    z1 = models.PositiveIntegerField()
    zoom = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    error = models.CharField(max_length=500, blank=True, default="")
    """Reason of a failure, for the user."""
    file_bytes = models.PositiveBigIntegerField(default=0)
    """Size of the file; 0 while there is none."""
    created = models.DateTimeField(default=timezone.now, editable=False)
    finished = models.DateTimeField(null=True, blank=True)

    objects = CropQuerySet.as_manager()

    class Meta:
        ordering = ("-created",)
        indexes = (models.Index(fields=("owner", "-created"), name="crops_of_owner"),)

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    @classmethod
    def of_region(cls, region: Region, owner: Any) -> Crop:
        """Return a crop that is not saved yet."""
        return cls(
            owner=owner,
            stack=region.stack.name,
            title=f"Crop of {region.stack.title}"[:100],
            dimensions=region.dimensions,
            x0=region.x[0],
            x1=region.x[1],
            y0=region.y[0],
            y1=region.y[1],
            z0=region.z[0],
            z1=region.z[1],
            zoom=region.zoom,
        )

    @property
    def request(self) -> dict[str, Any]:
        """Region in the form that Region.checked() takes."""
        return {
            "stack": self.stack,
            "x": [self.x0, self.x1],
            "y": [self.y0, self.y1],
            "z": [self.z0, self.z1],
            "zoom": self.zoom,
        }

    @property
    def path(self) -> Path:
        """Path of the file, which exists once the crop is done."""
        return conf.CROPS / f"{self.pk}.tif"

    @property
    def download_name(self) -> str:
        """Suggested name of the file on the user's computer."""
        return f"{self.stack}_x{self.x0}-{self.x1}_y{self.y0}-{self.y1}_z{self.z0}-{self.z1}_zoom{self.zoom}.tif"

    def start(self) -> bool:
        """Mark the crop as running; return false if it was deleted."""
        return self._update(state=State.RUNNING)

    def wait(self) -> bool:
        """Mark the crop as waiting, because the broker delivers its task again; return false if it was deleted."""
        return self._update(state=State.QUEUED, only=State.RUNNING)

    def finish(self, file_bytes: int) -> bool:
        """Mark the crop as done; return false if it was deleted."""
        return self._update(state=State.DONE, error="", file_bytes=file_bytes, finished=timezone.now())

    def fail(self, error: str) -> bool:
        """Mark the crop as failed; return false if it was deleted."""
        return self._update(state=State.FAILED, error=error[:500], finished=timezone.now())

    def expire(self) -> bool:
        """Remove the file, and mark the crop as expired."""
        self.path.unlink(missing_ok=True)
        return self._update(state=State.EXPIRED, file_bytes=0)

    def _update(self, *, only: State | None = None, **values: Any) -> bool:
        """Write some columns. save() would raise if the account of the owner was deleted meanwhile."""
        row = Crop.objects.filter(pk=self.pk)
        if only is not None:
            row = row.filter(state=only)
        for name, value in values.items():
            setattr(self, name, value)
        return row.update(**values) == 1

"""Crops: who asked for which region, and what became of it."""

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
    """Where a crop is on its way."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    EXPIRED = "expired", "expired"


UNFINISHED = (State.QUEUED, State.RUNNING)


class CropQuerySet(models.QuerySet["Crop"]):
    """Filters of the crops."""

    def of(self, user: Any) -> CropQuerySet:
        """Crops that this user asked for."""
        return self.filter(owner=user)

    def unfinished(self) -> CropQuerySet:
        """Crops that wait or are under way."""
        return self.filter(state__in=UNFINISHED)

    def older_than(self, days: float) -> CropQuerySet:
        """Finished crops whose time for downloading is over."""
        return self.filter(state=State.DONE, finished__lt=timezone.now() - timedelta(days=days))


class Crop(models.Model):
    """One crop. The region is kept as it was asked for, in pixels of zoom level 0."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="crops")
    stack = models.CharField(max_length=64)
    title = models.CharField(max_length=100)
    """What it is called for people."""
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
    """Why it failed, for the user."""
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
        """Return a crop that isn't saved yet."""
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
        """The region as Region.checked() takes it."""
        return {
            "stack": self.stack,
            "x": [self.x0, self.x1],
            "y": [self.y0, self.y1],
            "z": [self.z0, self.z1],
            "zoom": self.zoom,
        }

    @property
    def path(self) -> Path:
        """Where its file is, or will be."""
        return conf.CROPS / f"{self.pk}.tif"

    @property
    def download_name(self) -> str:
        """What the file is called at the user's."""
        return f"{self.stack}_x{self.x0}-{self.x1}_y{self.y0}-{self.y1}_z{self.z0}-{self.z1}_zoom{self.zoom}.tif"

    def start(self) -> bool:
        """Note that a worker has begun; return whether the crop still exists."""
        return self._update(state=State.RUNNING)

    def wait(self) -> bool:
        """Note that its worker ended too early, and that the broker will hand the task to another one."""
        return self._update(state=State.QUEUED, only=State.RUNNING)

    def finish(self, file_bytes: int) -> bool:
        """Note that the file is there; return whether the crop still exists."""
        return self._update(state=State.DONE, error="", file_bytes=file_bytes, finished=timezone.now())

    def fail(self, error: str) -> bool:
        """Note that there is no file and won't be one; return whether the crop still exists."""
        return self._update(state=State.FAILED, error=error[:500], finished=timezone.now())

    def expire(self) -> bool:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
        return self._update(state=State.EXPIRED, file_bytes=0)

    def _update(self, *, only: State | None = None, **values: Any) -> bool:
        """Write these columns. Not by save(), which raises when the owner's account was deleted meanwhile."""
        row = Crop.objects.filter(pk=self.pk)
        if only is not None:
            row = row.filter(state=only)
        for name, value in values.items():
            setattr(self, name, value)
        return row.update(**values) == 1

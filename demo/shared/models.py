"""Cells and counters, with updates that lose no concurrent change."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import F

from demo.shared.columns import VALUE_LENGTH_MAX


class Cell(models.Model):
    """A cell that was written at least once. All others are empty and have version 0."""

    sheet = models.SlugField()
    row = models.PositiveSmallIntegerField()
    column = models.PositiveSmallIntegerField()
    value = models.CharField(max_length=VALUE_LENGTH_MAX, blank=True)
    version = models.PositiveIntegerField(default=0)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["sheet", "row", "column"], name="shared_cell_place"),)

    def __str__(self) -> str:
        return f"{self.sheet}:{self.row},{self.column}"

    @classmethod
    def write(cls, place: dict[str, Any], value: str, *, version: int, by: Any) -> Cell | None:
        """Write a cell; return ``None`` if its version is not the one that the writer has seen."""
        changes = {"value": value, "by": by}
        if version == 0:
            try:
                with transaction.atomic():
                    return cls.objects.create(**place, **changes, version=1)
            except IntegrityError:
                return None
        if not cls.objects.filter(**place, version=version).update(**changes, version=version + 1):
            return None
        return cls.objects.get(**place)

    def as_dict(self) -> dict[str, Any]:
        """Return the cell in the form that pages get."""
        return {
            "row": self.row,
            "column": self.column,
            "value": self.value,
            "version": self.version,
            "by": self.by.get_username() if self.by else "",
        }


class Counter(models.Model):
    """A number that only grows."""

    name = models.SlugField(primary_key=True)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"

    @classmethod
    def raised(cls, name: str) -> int:
        """Add one to a counter in the caller's transaction, and return its value."""
        cls.objects.get_or_create(name=name)
        cls.objects.filter(name=name).update(value=F("value") + 1)
        return cls.objects.get(name=name).value

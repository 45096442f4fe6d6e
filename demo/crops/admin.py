"""Crops in Django's admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from demo.crops.models import Crop


@admin.register(Crop)
class CropAdmin(admin.ModelAdmin):
    """The crops of all users."""

    list_display = ("title", "owner", "dimensions", "state", "created")
    list_filter = ("state", "stack")
    date_hierarchy = "created"

    def has_add_permission(self, request: object) -> bool:
        """Crops are begun on the page only."""
        return False

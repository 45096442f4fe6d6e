"""Crops in Django's admin, read-only."""

from __future__ import annotations

from django.contrib import admin

from demo.crops.models import Crop


@admin.register(Crop)
class CropAdmin(admin.ModelAdmin):
    """List of the crops of all users."""

    list_display = ("title", "owner", "dimensions", "state", "created")
    list_filter = ("state", "stack")
    date_hierarchy = "created"

    def has_add_permission(self, request: object) -> bool:
        """Refuse to add crops: they are started on the page only."""
        return False

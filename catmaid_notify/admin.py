"""The inbox in Django's admin: to look at and to delete, since the content of a message never changes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from catmaid_notify.models import Message


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only list of messages."""

    list_display = ("time", "user", "level", "title", "read")
    list_filter = ("read", "level", "time")
    list_select_related = ("user",)
    search_fields = ("title", "text")
    date_hierarchy = "time"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Messages are created by code, which also pushes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was shown stays as it was."""
        return False

"""Django admin of the inbox: view and delete only, since the content of a message never changes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from catmaid_notify.models import Message


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """List of messages, to view and to delete."""

    list_display = ("time", "user", "level", "title", "read")
    list_filter = ("read", "level", "time")
    list_select_related = ("user",)
    search_fields = ("title", "text")
    date_hierarchy = "time"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return ``False``: a message that is added here would not be pushed."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: a message stays as its user has seen it."""
        return False

"""The app itself."""

from __future__ import annotations

from django.apps import AppConfig


class SharedConfig(AppConfig):
    """``INSTALLED_APPS = [..., "demo.shared"]`` finds this."""

    name = "demo.shared"
    label = "shared"
    default_auto_field = "django.db.models.BigAutoField"

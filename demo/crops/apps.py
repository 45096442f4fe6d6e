"""The app itself."""

from __future__ import annotations

from django.apps import AppConfig


class CropsConfig(AppConfig):
    """``INSTALLED_APPS = [..., "demo.crops"]`` finds this."""

    name = "demo.crops"
    label = "crops"
    default_auto_field = "django.db.models.BigAutoField"

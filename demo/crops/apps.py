"""Configuration of the app."""

from __future__ import annotations

from django.apps import AppConfig


class CropsConfig(AppConfig):
    """Configuration that ``INSTALLED_APPS = [..., "demo.crops"]`` uses."""

    name = "demo.crops"
    label = "crops"
    default_auto_field = "django.db.models.BigAutoField"

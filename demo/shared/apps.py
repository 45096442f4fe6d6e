"""Configuration of the app."""

from __future__ import annotations

from django.apps import AppConfig


class SharedConfig(AppConfig):
    """Configuration that ``INSTALLED_APPS = [..., "demo.shared"]`` uses."""

    name = "demo.shared"
    label = "shared"
    default_auto_field = "django.db.models.BigAutoField"

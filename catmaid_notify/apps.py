"""The app itself; at start it only registers its system checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CatmaidNotifyConfig(AppConfig):
    """``INSTALLED_APPS = [..., "catmaid_notify"]`` finds this."""

    name = "catmaid_notify"
    verbose_name = _("Messages")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from catmaid_notify import checks  # noqa: F401  importing registers them

"""The app itself; at start it registers its system checks, listens to logouts, and finds the site's topics."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class CatmaidNotifyConfig(AppConfig):
    """``INSTALLED_APPS = [..., "catmaid_notify"]`` finds this."""

    name = "catmaid_notify"
    verbose_name = _("Messages")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, connect the signals, import each app's ``topics.py``."""
        from catmaid_notify import checks, signal_handlers  # noqa: F401  importing registers the checks

        signal_handlers.connect()
        autodiscover_modules("topics")

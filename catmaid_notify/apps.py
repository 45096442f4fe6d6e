"""App configuration: registers the system checks, connects the signals, imports the site's topics."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class CatmaidNotifyConfig(AppConfig):
    """Configuration that ``INSTALLED_APPS = [..., "catmaid_notify"]`` finds."""

    name = "catmaid_notify"
    verbose_name = _("Messages")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, connect the signals, import each installed app's ``topics.py``."""
        from catmaid_notify import checks, signal_handlers  # noqa: F401  importing checks registers them

        signal_handlers.connect()
        autodiscover_modules("topics")

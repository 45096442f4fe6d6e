"""The app itself; it does nothing at start."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CatmaidNotifyConfig(AppConfig):
    """``INSTALLED_APPS = [..., "catmaid_notify"]`` finds this."""

    name = "catmaid_notify"
    verbose_name = _("Messages")
    default_auto_field = "django.db.models.BigAutoField"

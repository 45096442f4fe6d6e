"""WSGI entry point of the demo: all pages and static files. Without an ASGI server beside it, pages poll."""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

import demo.celery  # noqa: F401  the application by which views send tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")

application = StaticFilesHandler(get_wsgi_application())

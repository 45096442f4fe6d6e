"""Copy of the ``asgi.py`` that ``django-admin startproject`` creates."""

from __future__ import annotations

from django.core.asgi import get_asgi_application

application = get_asgi_application()

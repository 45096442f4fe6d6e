"""The tests' site for an ASGI server."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from catmaid_notify import routing  # noqa: E402  imports models

application = routing.application()

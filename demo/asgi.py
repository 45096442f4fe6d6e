"""ASGI entry point of the demo: pages, static files, and everything below /channels/."""

from __future__ import annotations

import os
from typing import Any

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")
# Any: Channels' router takes ASGI applications, which Django's types don't accept as targets of paths.
pages: Any = ASGIStaticFilesHandler(get_asgi_application())  # sets up Django, which the imports below need

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402

import demo.celery  # noqa: E402, F401  the application by which views send tasks
from catmaid_notify import routing  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": URLRouter([*routing.http_urlpatterns, re_path("", pages)]),
        "websocket": URLRouter(routing.websocket_urlpatterns),
    }
)

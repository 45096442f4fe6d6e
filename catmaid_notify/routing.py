"""Where the ASGI endpoints live: everything below ``channels/``.

A site with an ASGI application of its own adds the two lists to it, after ``django.setup()``; one that has none calls
``catmaid_notify.routing.application()`` in its ``asgi.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from catmaid_notify.realtime.consumers import HealthConsumer, UpdatesConsumer

__all__ = ["application", "http_urlpatterns", "websocket_urlpatterns"]

# Django's types know views only; Channels' routers take the same patterns with ASGI applications.
_updates: Callable[..., Any] = UpdatesConsumer.as_asgi()
_health: Callable[..., Any] = HealthConsumer.as_asgi()

websocket_urlpatterns = [path("channels/updates/", _updates)]
http_urlpatterns = [path("channels/health/", _health)]


def application() -> Any:
    """Return an ASGI application that serves our endpoints, and the rest of the site by Django."""
    django_application: Callable[..., Any] = get_asgi_application()
    no_such_socket: Callable[..., Any] = _no_such_socket
    return ProtocolTypeRouter(
        {
            "http": URLRouter([*http_urlpatterns, re_path("", django_application)]),
            "websocket": URLRouter([*websocket_urlpatterns, re_path("", no_such_socket)]),
        }
    )


async def _no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse sockets at other paths without a traceback."""
    await receive()
    await send({"type": "websocket.close"})

"""ASGI routing: URL patterns of the endpoints below ``channels/``, and a complete application.

Import it after ``django.setup()``. A site with an ASGI application of its own adds the two lists of patterns to its
routers; any other site calls ``catmaid_notify.routing.application()`` in its ``asgi.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from catmaid_notify.realtime.consumers import HealthConsumer, UpdatesConsumer

__all__ = ["application", "http_urlpatterns", "websocket_urlpatterns"]

# Annotated, since Django's stubs accept only views in path(), while Channels' routers take ASGI applications.
_updates: Callable[..., Any] = UpdatesConsumer.as_asgi()
_health: Callable[..., Any] = HealthConsumer.as_asgi()

websocket_urlpatterns = [path("channels/updates/", _updates)]
http_urlpatterns = [path("channels/health/", _health)]


def application() -> Any:
    """Build the ASGI application of a whole site: the endpoints of this app, and Django for all other requests.

    Returns:
        The application. WebSockets at other paths are closed.
    """
    django_application: Callable[..., Any] = get_asgi_application()
    no_such_socket: Callable[..., Any] = _no_such_socket
    return ProtocolTypeRouter(
        {
            "http": URLRouter([*http_urlpatterns, re_path("", django_application)]),
            "websocket": URLRouter([*websocket_urlpatterns, re_path("", no_such_socket)]),
        }
    )


async def _no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Close a socket at an unknown path; Channels' router would log a traceback for each."""
    await receive()
    await send({"type": "websocket.close"})

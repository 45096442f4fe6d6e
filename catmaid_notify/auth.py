"""Who a handshake belongs to: the session cookie's user, in one trip to the database's thread."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie


async def user_of(scope: dict[str, Any]) -> Any | None:
    """Return the signed-in user of a connection, ``None`` if there is none.

    A user that a middleware around us has put into the scope counts; else two queries find the session's.

    Raises:
        django.db.Error: what the database says.
    """
    if "user" in scope:
        user = scope["user"]
        return user if user is not None and user.is_authenticated else None
    key = _session_key(scope)
    return await database_sync_to_async(_load)(key) if key else None


def _session_key(scope: dict[str, Any]) -> str:
    for name, value in scope.get("headers", ()):
        if name.lower() == b"cookie":
            key = parse_cookie(value.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
            # Keys are plain ASCII in all of Django's engines; a NUL would be an error of PostgreSQL's.
            if key and key.isascii() and key.isprintable():
                return str(key)
    return ""


def _load(session_key: str) -> Any | None:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if user.is_authenticated else None

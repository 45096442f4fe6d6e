"""Temporary session for the user of ``notify_check``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

LIFE_SECONDS: Final = 600
"""Expiry in seconds, for sessions that are not deleted because the process was killed."""


@contextmanager
def temporary_session(user: Any) -> Iterator[str]:
    """Sign the user in, yield the cookie as ``name=value``, and delete the session at the end."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = user._meta.pk.value_to_string(user)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.set_expiry(LIFE_SECONDS)
    store.create()
    store.save()  # the signed_cookies engine computes its key only in save()
    try:
        yield f"{settings.SESSION_COOKIE_NAME}={store.session_key}"
    finally:
        store.delete()

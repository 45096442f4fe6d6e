"""Batched, read-only access to sessions by their keys, whatever engine the site uses.

``django.contrib.auth.get_user`` writes: it flushes a session that it can't verify, and cycles the key of one that an
older ``SECRET_KEY`` verifies. A WebSocket handshake can't give the browser a new key, so nothing here writes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.utils import timezone

from catmaid_notify.utils import sql_cache
from catmaid_notify.utils.chunks import batches
from catmaid_notify.utils.sql_cache import NOT_FETCHED, BoundQuery, Fetched

KEYS_PER_QUERY: Final = 1000


class Session(NamedTuple):
    """Data of a session and its expiry."""

    data: dict[str, Any]
    expires: float
    """Seconds since 1970; infinite if the engine does not tell."""


def load(keys: Iterable[str], fetched: Fetched = NOT_FETCHED) -> dict[str, Session]:
    """Load the sessions that exist and have not expired, by key.

    The ``cached_db`` engine is read from the database: a per-process cache such as ``LocMemCache`` would still have the
    sessions that another process has ended.

    Raises:
        django.db.Error: the database failed; other engines raise errors of their own.
    """
    store = _store()
    if hasattr(store, "get_model_class"):
        return _from_database(store, keys, fetched)
    found = {key: dict(store(key).items()) for key in keys}
    return {key: Session(data, math.inf) for key, data in found.items() if data}


def bound_query(key: str) -> BoundQuery | None:
    """Return the query of `load` for one session, for `fetch_many`; ``None`` if `load` would not use it."""
    store: Any = _store()
    if not hasattr(store, "get_model_class"):
        return None
    return sql_cache.instance(store.get_model_class().objects, "session_key", key)


def are_kept_by_clients() -> bool:
    """Return ``True`` for the ``signed_cookies`` engine: no server can end a session, and old cookies stay valid."""
    return issubclass(_store(), SignedCookies)


def can_be_key(key: str) -> bool:
    """Return ``True`` for printable ASCII: all engines' keys are, and PostgreSQL raises for a NUL character."""
    return key != "" and key.isascii() and key.isprintable()


def digest(key: str) -> str:
    """Hash a session key; the hash may travel through the broker, the key would let its reader in."""
    return hashlib.sha256(b"catmaid_notify.session:" + key.encode("utf-8", "surrogatepass")).hexdigest()


def _store() -> type[SessionBase]:
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store


def _from_database(store: Any, keys: Iterable[str], fetched: Fetched) -> dict[str, Session]:
    now = timezone.now()
    return {
        row.session_key: Session(store().decode(row.session_data), row.expire_date.timestamp())
        for batch in batches(keys, KEYS_PER_QUERY)
        for row in sql_cache.instances(store.get_model_class().objects, "session_key", batch, fetched)
        if row.expire_date > now
    }

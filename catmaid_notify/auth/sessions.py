"""Sessions by their keys, many at once, from whatever engine the site has; read only.

Django's own ``get_user`` ends a session that it can't verify, and gives it a new key where an older ``SECRET_KEY``
verified it. A handshake can't hand a new key to the browser, so nothing of that may happen here.
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
from catmaid_notify.utils.sql_cache import BoundQuery

KEYS_PER_QUERY: Final = 1000


class Session(NamedTuple):
    """What a session holds, and until when (in seconds since 1970; infinite where only asking again tells)."""

    data: dict[str, Any]
    expires: float


def load(keys: Iterable[str]) -> dict[str, Session]:
    """Return those of the sessions that are there and have not expired.

    Sessions in the database are read from there also where the site puts a cache in front of it: a cache of this
    process's own would never hear of a logout.
    """
    store = _store()
    if hasattr(store, "get_model_class"):
        return _from_database(store, keys)
    found = {key: dict(store(key).items()) for key in keys}
    return {key: Session(data, math.inf) for key, data in found.items() if data}


def bound_query(key: str) -> BoundQuery | None:
    """Return what `load` asks for one session, where it can be asked ahead."""
    store: Any = _store()
    if not hasattr(store, "get_model_class"):
        return None
    return sql_cache.instance(store.get_model_class().objects, "session_key", key)


def are_kept_by_clients() -> bool:
    """Return whether the sessions are in the cookies themselves, so that a logout leaves older cookies valid."""
    return issubclass(_store(), SignedCookies)


def can_be_key(key: str) -> bool:
    """Return whether a cookie can be a key: plain ASCII in all engines, and a NUL would be an error of PostgreSQL's."""
    return key != "" and key.isascii() and key.isprintable()


def digest(key: str) -> str:
    """Return a name for a session that is no secret."""
    return hashlib.sha256(b"catmaid_notify.session:" + key.encode("utf-8", "surrogatepass")).hexdigest()


def _store() -> type[SessionBase]:
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store


def _from_database(store: Any, keys: Iterable[str]) -> dict[str, Session]:
    now = timezone.now()
    return {
        row.session_key: Session(store().decode(row.session_data), row.expire_date.timestamp())
        for batch in batches(keys, KEYS_PER_QUERY)
        for row in sql_cache.instances(store.get_model_class().objects, "session_key", batch)
        if row.expire_date > now
    }

"""Users as their authentication backends give them, many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend

from catmaid_notify.utils import sql_cache
from catmaid_notify.utils.chunks import batches
from catmaid_notify.utils.sql_cache import BoundQuery

USERS_PER_QUERY: Final = 1000

Wanted = tuple[str, Any]
"""Dotted path of a backend, and a primary key."""


def load(wanted: Iterable[Wanted]) -> dict[Wanted, Any]:
    """Return the users whom the backend that signed them in still lets in."""
    by_backend: dict[str, set[Any]] = defaultdict(set)
    for path, pk in wanted:
        by_backend[path].add(pk)
    return {
        (path, user.pk): user
        for path, pks in by_backend.items()
        if path in settings.AUTHENTICATION_BACKENDS
        for user in _of_backend(load_backend(path), pks)
    }


def by_pk(pks: Iterable[Any]) -> dict[Any, Any]:
    """Return the users that exist."""
    users = get_user_model()._default_manager
    return {
        user.pk: user for batch in batches(pks, USERS_PER_QUERY) for user in sql_cache.instances(users, "pk", batch)
    }


def bound_query(pk: Any) -> BoundQuery | None:
    """Return what `by_pk` asks for one user, where it can be asked ahead."""
    return sql_cache.instance(get_user_model()._default_manager, "pk", pk)


def _of_backend(backend: Any, pks: set[Any]) -> list[Any]:
    if isinstance(backend, ModelBackend) and type(backend).get_user is ModelBackend.get_user:
        # What that method does, for many.
        return [user for user in by_pk(pks).values() if backend.user_can_authenticate(user)]
    return [user for pk in pks if (user := backend.get_user(pk)) is not None]

"""Batched loading of users, as their authentication backends would return them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend

from catmaid_notify.utils import sql_cache
from catmaid_notify.utils.chunks import batches
from catmaid_notify.utils.sql_cache import NOT_FETCHED, BoundQuery, Fetched

USERS_PER_QUERY: Final = 1000

Wanted = tuple[str, Any]
"""Dotted path of an authentication backend, and the primary key of a user."""


def load(wanted: Iterable[Wanted], fetched: Fetched = NOT_FETCHED) -> dict[Wanted, Any]:
    """Load users whose authentication backend is still configured and still accepts them.

    Raises:
        django.db.Error: the database failed.
    """
    by_backend: dict[str, set[Any]] = defaultdict(set)
    for path, pk in wanted:
        by_backend[path].add(pk)
    return {
        (path, user.pk): user
        for path, pks in by_backend.items()
        if path in settings.AUTHENTICATION_BACKENDS
        for user in _of_backend(load_backend(path), pks, fetched)
    }


def by_pk(pks: Iterable[Any], fetched: Fetched = NOT_FETCHED) -> dict[Any, Any]:
    """Load the users that exist, by primary key.

    Raises:
        django.db.Error: the database failed.
    """
    users = get_user_model()._default_manager
    return {
        user.pk: user
        for batch in batches(pks, USERS_PER_QUERY)
        for user in sql_cache.instances(users, "pk", batch, fetched)
    }


def bound_query(pk: Any) -> BoundQuery | None:
    """Return the query of `by_pk` for one user, for `fetch_many`; ``None`` if `by_pk` would not use it."""
    return sql_cache.instance(get_user_model()._default_manager, "pk", pk)


def _of_backend(backend: Any, pks: set[Any], fetched: Fetched) -> list[Any]:
    if isinstance(backend, ModelBackend) and type(backend).get_user is ModelBackend.get_user:
        # The same as ModelBackend.get_user(), with one query for all users.
        return [user for user in by_pk(pks, fetched).values() if backend.user_can_authenticate(user)]
    return [user for pk in pks if (user := backend.get_user(pk)) is not None]

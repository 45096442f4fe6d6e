"""Recipients: validated primary keys from the instances, keys and querysets that host code passes."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models, router

from catmaid_notify.exceptions import UnknownUser
from catmaid_notify.models import Message
from catmaid_notify.types import UserLike

logger = logging.getLogger("catmaid_notify")

BATCH: Final = 1000
"""Users per query and per transaction."""


def users_of(using: str) -> models.QuerySet[Any]:
    """Return a queryset of all users; the base manager, since a default manager may hide some of them."""
    return get_user_model()._base_manager.using(using).all()


def user_pk(user: UserLike) -> Any:
    """Convert a user to the primary key, in the type that the user model has. Asks no database.

    Args:
        user: The user; need not exist.

    Returns:
        The primary key, of whatever type the site's user model declares.

    Raises:
        UnknownUser: ``user`` is neither a saved user nor a primary key, or the column can't hold such a key.
    """
    pk = _converted_pk(user)
    if not _is_possible(pk):
        raise UnknownUser(f"No user can have the primary key {_shown(pk)}; pass a user or its primary key.")
    return pk


def _is_possible(pk: Any) -> bool:
    """Return ``True`` if the column can hold such a key; a query with another one would raise."""
    try:
        get_user_model()._meta.pk.run_validators(pk)
    except ValidationError:
        return False
    return True


def _converted_pk(user: object) -> Any:
    """Return the primary key in the type of the model's field, possible or not."""
    model = get_user_model()
    if isinstance(user, models.Model):
        if not isinstance(user, model) or user.pk is None:
            raise UnknownUser(f"{_shown(user)} is not a saved {model.__name__}; save it first, or pass a primary key.")
        return user.pk
    try:
        # to_python() would turn 1.5, b"1" and True into user 1.
        if user is None or isinstance(user, bool | float | complex | Decimal | bytes | bytearray):
            raise TypeError
        return model._meta.pk.to_python(user)
    except (ValidationError, TypeError, ValueError, OverflowError):
        raise UnknownUser(
            f"{_shown(user)} is neither a {model.__name__} nor the primary key of one; pass one of these."
        ) from None


def user_pks(users: Iterable[UserLike]) -> Iterator[Any]:
    """Yield the primary keys of users, each once. Keys that no column can hold are skipped and logged.

    Raises:
        UnknownUser: one of ``users``, or ``users`` itself, is of a wrong type.
    """
    if isinstance(users, str | bytes | bytearray):
        raise UnknownUser(f"users must be an iterable of users, not {_shown(users)}; put a single user into a list.")
    # Only keys, and in batches: 100,000 instances would not fit into memory.
    if isinstance(users, models.QuerySet) and issubclass(users.model, get_user_model()):
        users = users.values_list("pk", flat=True).iterator(chunk_size=BATCH)
    seen = set()
    for user in users:
        pk = _converted_pk(user)
        if not _is_possible(pk):
            logger.warning("User skipped, no column can hold such a primary key: pk=%s", _shown(pk))
        elif pk not in seen:
            seen.add(pk)
            yield pk


def require_user(pk: Any, using: str | None = None) -> None:
    """Check that a user exists, with one query.

    Args:
        pk: A primary key, as `user_pk` returns it.
        using: Alias of the database to ask; ``None`` for the one that messages are written to.

    Raises:
        UnknownUser: the database has no user with this primary key.
        django.db.Error: the database failed.
    """
    using = using or router.db_for_write(Message)
    try:
        known = users_of(using).filter(pk=pk).exists()
    except OverflowError:  # SQLite has no integers of that size
        known = False
    if not known:
        raise UnknownUser(f"There is no user with primary key {_shown(pk)}; was the account deleted?")


def _shown(value: object) -> str:
    """Return a short ``repr`` for error texts; Python refuses to convert huge integers to text."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return f"a {type(value).__name__}"

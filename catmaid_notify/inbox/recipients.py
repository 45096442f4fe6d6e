"""Who is meant: primary keys of users, from all that host code may hand us."""

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
"""Users that are handled at once, where they may be many."""


def users_of(using: str) -> models.QuerySet[Any]:
    """Return all users that there are, from this database."""
    return get_user_model()._base_manager.using(using).all()


def user_pk(user: UserLike) -> Any:
    """Return the primary key of an instance, or a primary key in the type that the model has; else `UnknownUser`."""
    pk = _converted_pk(user)
    if not _is_possible(pk):
        raise UnknownUser(f"There is no user with primary key {_shown(pk)}.")
    return pk


def _is_possible(pk: Any) -> bool:
    """Return whether the column can hold such a key; databases raise where it can't."""
    try:
        get_user_model()._meta.pk.run_validators(pk)
    except ValidationError:
        return False
    return True


def _converted_pk(user: object) -> Any:
    model = get_user_model()
    if isinstance(user, models.Model):
        if not isinstance(user, model) or user.pk is None:
            raise UnknownUser(f"{user!r} is not a saved {model.__name__}.")
        return user.pk
    try:
        # What databases and Python would take for a number all the same is refused: 1.5, b"1" and True are not user 1.
        if user is None or isinstance(user, bool | float | complex | Decimal | bytes | bytearray):
            raise TypeError
        return model._meta.pk.to_python(user)
    except (ValidationError, TypeError, ValueError, OverflowError):
        raise UnknownUser(f"{_shown(user)} is neither a {model.__name__} nor a primary key of one.") from None


def user_pks(users: Iterable[UserLike]) -> Iterator[Any]:
    """Yield the primary keys of instances, keys or a queryset, each once, those that can't exist left out."""
    if isinstance(users, str | bytes | bytearray):
        raise UnknownUser(f"users must be several users, not {_shown(users)}; put one user into a list.")
    if isinstance(users, models.QuerySet) and issubclass(users.model, get_user_model()):
        users = users.values_list("pk", flat=True).iterator(chunk_size=BATCH)
    seen = set()
    for user in users:
        pk = _converted_pk(user)
        if not _is_possible(pk):
            logger.warning("No message for a user that can't exist: pk=%s", _shown(pk))
        elif pk not in seen:
            seen.add(pk)
            yield pk


def require_user(pk: Any, using: str | None = None) -> None:
    """Raise `UnknownUser` unless there is a user with this primary key."""
    using = using or router.db_for_write(Message)
    try:
        known = users_of(using).filter(pk=pk).exists()
    except OverflowError:  # SQLite has no integers of that size
        known = False
    if not known:
        raise UnknownUser(f"There is no user with primary key {_shown(pk)}; was the account deleted?")


def _shown(value: object) -> str:
    """Return a short ``repr`` of anything; that of a huge integer raises."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return f"a {type(value).__name__}"

"""Look-up of users that are named on a command line."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError


def user_named(name: str) -> Any:
    """Return the user with this sign-in name.

    Raises:
        CommandError: there is no such user.
    """
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise CommandError(f"There is no user with the {model.USERNAME_FIELD} {name!r}.") from None

"""Fixtures of the security tests that need no server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@pytest.fixture
def user(db: None, django_user_model: type[User]) -> User:
    """Somebody."""
    return django_user_model.objects.create_user("ann", password="secret of ann")

"""See the package."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class AccountManager(BaseUserManager["Account"]):
    """Makes accounts."""

    def create_user(self, email: str, password: str, **fields: Any) -> Account:
        """Make one with this address."""
        account = self.model(email=email, **fields)
        account.set_password(password)
        account.save(using=self._db)
        return account


class Account(AbstractBaseUser):
    """Somebody with an email address."""

    USERNAME_FIELD = "email"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.CharField(max_length=100, unique=True)
    is_active = models.BooleanField(default=True)

    objects = AccountManager()

    def __str__(self) -> str:
        return self.email

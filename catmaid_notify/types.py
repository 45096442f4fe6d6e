"""Type aliases of the public API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from django.db import models
from django.utils.functional import Promise

if TYPE_CHECKING:
    # At run time this import would fail on a site without django.contrib.auth's own models.
    from django.contrib.auth.models import AnonymousUser

UserLike: TypeAlias = "models.Model | AnonymousUser | int | str | UUID"
"""A user: a saved instance of the site's user model, or its primary key.

A string is converted to the type of the key. ``request.user`` fits, too; an anonymous one raises `UnknownUser`.
"""

JSON: TypeAlias = (
    bool
    | int
    | float
    | str
    | date
    | time
    | timedelta
    | Decimal
    | UUID
    | Promise
    | Sequence["JSON"]
    | Mapping[str, "JSON"]
    | None
)
"""A value that `DjangoJSONEncoder` can write: lists, tuples, dicts, and the types of their parts.

`Sequence` and `Mapping` let a type checker accept a ``list[int]`` or a ``dict[str, str]``. At run time, sequences other
than lists and tuples raise `InvalidEvent`; so do mappings other than dicts, NaN and infinite numbers.
"""

"""Callbacks after commit that cannot harm the host code."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from django.db import transaction

P = ParamSpec("P")


def call_after_commit(using: str, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call once the current transaction has committed; at once where there is none.

    An exception is logged by Django and reaches neither the caller nor the other callbacks of the transaction.

    Args:
        using: alias of the database whose transaction is meant.
        call: a function or method; it gets the remaining arguments.
    """

    # Django's log line needs a __qualname__, which a functools.partial lacks: its AttributeError would be the caller's.
    @wraps(call)
    def run() -> None:
        call(*args, **kwargs)

    transaction.on_commit(run, using=using, robust=True)

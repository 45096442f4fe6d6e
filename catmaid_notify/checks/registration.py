"""Registration of system checks, and their messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's name for it

TAG: Final = "catmaid_notify"
"""``manage.py check --tag catmaid_notify`` runs these checks alone."""

Found = Iterator[CheckMessage]

Check = Callable[[], Found]


def registered(*tags: str, deploy: bool = False) -> Callable[[Check], Check]:
    """Register a check that yields its messages."""

    def decorate(check: Check) -> Check:
        def run(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
            return list(check())

        run.__name__ = check.__name__
        register(run, TAG, *tags, deploy=deploy)
        return check

    return decorate


def make_error(number: int, text: str, hint: str) -> CheckMessage:
    """Return an error with this number in its id."""
    return Error(text, hint=hint, id=f"catmaid_notify.E{number:03}")


def make_warning(number: int, text: str, hint: str) -> CheckMessage:
    """Return a warning with this number in its id."""
    return Warning(text, hint=hint, id=f"catmaid_notify.W{number:03}")

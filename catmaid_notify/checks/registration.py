"""Registration of system checks, and constructors for their messages."""

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
    """Return a decorator that registers a generator of messages as a system check.

    Args:
        *tags: Django's tags, in addition to `TAG`.
        deploy: run the check with ``check --deploy`` only.
    """

    def decorate(check: Check) -> Check:
        def run(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
            return list(check())

        run.__name__ = check.__name__
        register(run, TAG, *tags, deploy=deploy)
        return check

    return decorate


def make_error(number: int, text: str, hint: str) -> CheckMessage:
    """Return an error with the id ``catmaid_notify.E<number>``."""
    return Error(text, hint=hint, id=f"catmaid_notify.E{number:03}")


def make_warning(number: int, text: str, hint: str) -> CheckMessage:
    """Return a warning with the id ``catmaid_notify.W<number>``."""
    return Warning(text, hint=hint, id=f"catmaid_notify.W{number:03}")

"""Exceptions of the app. The docstring of a class is its default text."""

from __future__ import annotations

__all__ = [
    "BrokerUnavailable",
    "InvalidEvent",
    "InvalidMessage",
    "NotifyError",
    "UnknownTopic",
    "UnknownUser",
    "UserTaskError",
]


class NotifyError(Exception):
    """Base class of the exceptions of catmaid_notify; never raised itself."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()))


class InvalidMessage(NotifyError, ValueError):
    """The message can't be stored: its title, text, action, level or key is not valid."""


class InvalidEvent(NotifyError, ValueError):
    """The event can't be sent: its name is not valid, or its payload is not JSON or too large."""


class UnknownTopic(NotifyError, ValueError):
    """There is no such topic; declare it in a topics.py of an installed app."""


class UnknownUser(NotifyError, ValueError):
    """There is no such user; was the account deleted?"""


class UserTaskError(NotifyError):
    """The task failed. The text of this exception is shown to the user as it is."""


class BrokerUnavailable(NotifyError, ConnectionError):
    """The message broker can't be reached; the log has the reason of the last try."""

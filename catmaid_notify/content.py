"""What a message may hold, checked before anything is stored. Pure but for the limits in the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from catmaid_notify.conf import conf
from catmaid_notify.exceptions import InvalidMessage

ACTION_LENGTH_MAX: Final = 2000
"""Characters of an action, the width of its column."""
KEY_LENGTH_MAX: Final = 255
"""Characters of a key, the width of its column."""


class Level(TextChoices):
    """How a message is shown."""

    INFO = "info", _("Information")
    SUCCESS = "success", _("Success")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """The checked content of a message, the same for all its receivers."""

    title: str
    text: str
    action: str
    level: str

    @classmethod
    def checked(cls, *, title: object, text: object = "", action: object = "", level: object = "info") -> Content:
        """Return the content, lazy strings resolved.

        Raises:
            InvalidMessage: with the argument, its value and what is allowed.
        """
        checked_title = _text("title", title, conf.TITLE_LENGTH_MAX)
        if not checked_title.strip():
            raise InvalidMessage("The title of a message must not be empty.")
        return cls(
            title=checked_title,
            text=_text("text", text, conf.TEXT_LENGTH_MAX),
            action=_action(action),
            level=_level(level),
        )


def checked_key(key: object) -> str | None:
    """Return the key under which a user gets at most one message, or raise `InvalidMessage`."""
    return None if key is None else _text("key", key, KEY_LENGTH_MAX)


def _text(name: str, value: object, length_max: int) -> str:
    if isinstance(value, Promise):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidMessage(f"The {name} of a message must be a string, not {type(value).__name__}.")
    if len(value) > length_max:
        raise InvalidMessage(f"The {name} of a message may have {length_max} characters, not {len(value)}; shorten it.")
    if "\0" in value:
        raise InvalidMessage(f"The {name} of a message holds a NUL character, which databases refuse; remove it.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"The {name} of a message is not valid Unicode: {error.reason}.") from None
    return value


def _action(value: object) -> str:
    """Return an action that is safe as the target of a link: http(s), or relative to the site itself."""
    action = _text("action", value, ACTION_LENGTH_MAX)
    # Browsers drop tabs and newlines in URLs and read "\" as "/", so that "/\t/evil" is another host.
    if "\\" in action or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in action):
        raise InvalidMessage(f"The action {action!r} must not hold white space, control characters or backslashes.")
    try:
        parts = urlsplit(action)
    except ValueError as error:
        raise InvalidMessage(f"The action {action!r} is not a URL: {error}.") from None
    absolute = parts.scheme in ("http", "https") and bool(parts.netloc)
    # From the root of the site: "crops/7/" would be another page in CATMAID's redirect than in a link of ours.
    relative = not action or (action.startswith("/") and not action.startswith("//"))
    if not absolute and not relative:
        raise InvalidMessage(
            f"The action {action!r} must be an http or https URL, or a path on this site such as '/crops/7/'."
        )
    return action


def _level(value: object) -> str:
    if value not in Level.values:
        raise InvalidMessage(f"The level of a message must be one of {', '.join(Level.values)}, not {value!r}.")
    return str(value)

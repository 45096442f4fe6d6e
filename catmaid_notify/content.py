"""Validation of a message's content, before anything is stored. Pure but for the limits in the settings."""

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
"""Characters of an action; the width of its column."""
KEY_LENGTH_MAX: Final = 255
"""Characters of a key; the width of its column."""


class Level(TextChoices):
    """Severity of a message; pages choose colour and icon by it."""

    INFO = "info", _("Information")
    SUCCESS = "success", _("Success")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """Validated content of a message, the same for all its recipients."""

    title: str
    text: str
    action: str
    level: str

    @classmethod
    def checked(cls, *, title: object, text: object = "", action: object = "", level: object = "info") -> Content:
        """Validate the arguments of `notify_user` and resolve lazy strings in the active language.

        Raises:
            InvalidMessage: an argument is not valid; the text names it and the allowed values.
        """
        checked_title = _text("title", title, conf.TITLE_LENGTH_MAX)
        if not checked_title.strip():
            raise InvalidMessage("The title of a message must not be empty or blank.")
        return cls(
            title=checked_title,
            text=_text("text", text, conf.TEXT_LENGTH_MAX),
            action=_action(action),
            level=_level(level),
        )


def checked_key(key: object) -> str | None:
    """Validate the key of a message; ``None`` stays ``None``.

    Raises:
        InvalidMessage: the key is not valid.
    """
    return None if key is None else _text("key", key, KEY_LENGTH_MAX)


def _text(name: str, value: object, length_max: int) -> str:
    if isinstance(value, Promise):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidMessage(f"The {name} of a message must be a string, not {type(value).__name__}.")
    if len(value) > length_max:
        raise InvalidMessage(f"The {name} of a message has {len(value)} characters; shorten it to {length_max}.")
    if "\0" in value:
        raise InvalidMessage(f"The {name} of a message has a NUL character, which databases refuse; remove it.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidMessage(
            f"The {name} of a message is not valid Unicode: {error.reason}, index {error.start}; remove that character."
        ) from None
    return value


def _action(value: object) -> str:
    """Validate the target of a message's link: http(s), or a path on the site itself; no script runs from it."""
    action = _text("action", value, ACTION_LENGTH_MAX)
    # Browsers drop tabs and newlines in URLs and read "\" as "/": "/\t/evil" would lead to the host "evil".
    if "\\" in action or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in action):
        raise InvalidMessage(
            f"The action {action!r} has white space, a control character or a backslash; percent-encode it."
        )
    try:
        parts = urlsplit(action)
    except ValueError as error:
        raise InvalidMessage(f"The action {action!r} is not a valid URL: {error}.") from None
    absolute = parts.scheme in ("http", "https") and bool(parts.netloc)
    # Paths must be absolute: a browser resolves "crops/7/" against the current address, which is one page in CATMAID's
    # redirect and another one in our panel.
    relative = not action or (action.startswith("/") and not action.startswith("//"))
    if not absolute and not relative:
        raise InvalidMessage(
            f"The action {action!r} is neither an http(s) URL nor a path on this site, such as '/crops/7/'."
        )
    return action


def _level(value: object) -> str:
    if value not in Level.values:
        raise InvalidMessage(f"The level of a message must be one of {', '.join(Level.values)}; it is {value!r}.")
    return str(value)

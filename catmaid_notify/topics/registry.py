"""Registry of declared topics: patterns, permissions, look-up by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.urls.converters import StringConverter, get_converters

from catmaid_notify import protocol
from catmaid_notify.exceptions import UnknownTopic
from catmaid_notify.inbox.recipients import user_pk
from catmaid_notify.models import TopicValue
from catmaid_notify.push import call_after_commit, push
from catmaid_notify.types import UserLike

PARAMETER: Final = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>[A-Za-z_]\w*)>")
FOUND_MAX: Final = 10_000
"""Names that the look-up caches."""


class _Word(StringConverter):
    regex = "[^:]+"


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """Topics of one pattern, with their permissions; see `register` for the fields."""

    pattern: str
    may_follow: Callable[..., Any] | None
    may_follow_many: Callable[..., Any] | None
    may_publish: Callable[..., Any] | None
    clean: Callable[..., Any] | None
    keep_seconds: float
    regex: re.Pattern[str] = field(repr=False)
    converters: dict[str, Any] = field(repr=False)

    def match(self, topic: str) -> dict[str, Any] | None:
        """Parse the parameters in the name of a topic; ``None`` if the name does not match the pattern."""
        matched = self.regex.fullmatch(topic)
        if matched is None:
            return None
        try:
            return {name: self.converters[name].to_python(text) for name, text in matched.groupdict().items()}
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, eq=False)
class Topic:
    """A declared topic: name, declaration, parameters in the name, group of the channel layer."""

    name: str
    declaration: Declaration
    parameters: dict[str, Any]
    group: str


_declarations: dict[str, Declaration] = {}


def register(
    pattern: str,
    *,
    may_follow: Callable[..., Any] | None = None,
    may_follow_many: Callable[..., Any] | None = None,
    may_publish: Callable[..., Any] | None = None,
    clean: Callable[..., Any] | None = None,
    keep_seconds: float = 0,
) -> None:
    """Declare the topics whose names match a pattern, and their permissions.

    All callables may be sync or async. They get the parameters of the pattern as keywords, and run in a thread that may
    use the database. An exception in a callable counts as a refusal and is logged; after a database error the callable
    is called again.

    Args:
        pattern: Such as ``"sheet:<slug:name>"``, with the path converters of Django's URLs. A parameter without a
            converter matches anything but a colon.
        may_follow: ``(user, **parameters)``, returns ``True`` if the user may follow the topic.
        may_follow_many: ``(users, **parameters)``, returns those of the users who may follow the topic. Instead of
            ``may_follow``: one call for all followers of a topic instead of one each.
        may_publish: ``(user, **parameters)``, returns ``True`` if pages of the user may publish. ``None``: only the
            server publishes. Needs ``clean``.
        clean: ``(user, event, payload, **parameters)``, returns the payload to publish instead of the page's, or raises
            ``ValidationError`` with a text for the page. Needs ``may_publish``.
        keep_seconds: Time in seconds for which the last value is kept for pages that follow later; 0 keeps none.

    Raises:
        ImproperlyConfigured: the pattern is not valid or declared already, or the callables do not fit together.
    """
    if pattern in _declarations:
        raise ImproperlyConfigured(f"The topic {pattern!r} is declared twice; remove one of the declarations.")
    if (may_follow is None) == (may_follow_many is None):
        raise ImproperlyConfigured(f"The topic {pattern!r} needs either may_follow or may_follow_many, not both.")
    if (may_publish is None) != (clean is None):
        raise ImproperlyConfigured(f"The topic {pattern!r} needs both may_publish and clean, or neither.")
    if not 0 <= keep_seconds < math.inf:
        raise ImproperlyConfigured(f"keep_seconds of the topic {pattern!r} must be 0 or more, not {keep_seconds!r}.")
    regex, converters = _compiled(pattern)
    _declarations[pattern] = Declaration(
        pattern=pattern,
        may_follow=may_follow,
        may_follow_many=may_follow_many,
        may_publish=may_publish,
        clean=clean,
        keep_seconds=keep_seconds,
        regex=regex,
        converters=converters,
    )
    _find.cache_clear()


def unregister(pattern: str) -> None:
    """Remove a declaration, for tests.

    Args:
        pattern: The pattern as it was registered.

    Raises:
        KeyError: no such pattern is registered.
    """
    del _declarations[pattern]
    _find.cache_clear()


def find(name: object) -> Topic:
    """Look up a topic by its name.

    Args:
        name: The name, of any type: it may come from a page.

    Raises:
        UnknownTopic: no ``topics.py`` declares the topic, or the name is not valid.
    """
    if not isinstance(name, str) or not protocol.is_name(name, protocol.TOPIC_LENGTH_MAX):
        raise UnknownTopic(
            f"A topic's name must be a string of 1 to {protocol.TOPIC_LENGTH_MAX} printable characters, not {name!r}."
        )
    found = _find(name)
    if found is None:
        known = ", ".join(repr(pattern) for pattern in _declarations) or "none"
        raise UnknownTopic(
            f"No topic {name!r} is declared (declared are: {known}); declare it in a topics.py of an installed app."
        )
    return found


def recheck(topic: str | None = None, *, user: UserLike | None = None) -> None:
    """Check the permissions of followers again after commit: of a topic, of a user, or (without arguments) of all.

    Call it when permissions have changed. Without the call, the change takes effect within
    ``CATMAID_NOTIFY_TOPIC_CHECK_SECONDS``. The push never raises and never waits.

    Args:
        topic: Name of the topic whose followers are checked.
        user: The user whose topics are checked.

    Raises:
        TypeError: both arguments were given.
        UnknownTopic: no ``topics.py`` declares the topic.
        UnknownUser: ``user`` is neither a user nor a primary key.
    """
    if topic is not None and user is not None:
        raise TypeError("recheck() takes a topic or a user, not both; call it once for each.")
    group = protocol.EVERYONE
    if topic is not None:
        group = find(topic).group
    elif user is not None:
        group = protocol.user_group(user_pk(user))
    order: protocol.LayerMessage = {"type": protocol.LAYER_TYPE, "recheck": True}
    call_after_commit(router.db_for_write(TopicValue), push, group, order)


@lru_cache(maxsize=FOUND_MAX)
def _find(name: str) -> Topic | None:
    for declaration in _declarations.values():
        parameters = declaration.match(name)
        if parameters is not None:
            return Topic(name, declaration, parameters, protocol.topic_group(name))
    return None


def _compiled(pattern: str) -> tuple[re.Pattern[str], dict[str, Any]]:
    known = {**get_converters(), "str": _Word()}
    parts: list[str] = []
    converters: dict[str, Any] = {}
    end = 0
    for found in PARAMETER.finditer(pattern):
        name, converter = found["name"], known.get(found["converter"] or "str")
        if converter is None or name in converters:
            raise ImproperlyConfigured(
                f"The topic {pattern!r} has an unknown converter or a second parameter {name!r}; use the path "
                "converters of Django's URLs, and each name once."
            )
        converters[name] = converter
        parts += [re.escape(pattern[end : found.start()]), f"(?P<{name}>{converter.regex})"]
        end = found.end()
    rest = pattern[end:]
    if not pattern or any(mark in "".join(_constants(pattern)) for mark in "<>"):
        raise ImproperlyConfigured(f"The topic {pattern!r} is not valid; write parameters as <name> or <int:name>.")
    return re.compile("".join([*parts, re.escape(rest)])), converters


def _constants(pattern: str) -> Iterable[str]:
    return PARAMETER.sub("\0", pattern).split("\0")

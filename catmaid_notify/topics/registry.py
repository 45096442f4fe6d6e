"""Declared topics: patterns, what may be done with them, look-up by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.urls.converters import StringConverter, get_converters

from catmaid_notify import protocol
from catmaid_notify.exceptions import UnknownTopic
from catmaid_notify.inbox.recipients import user_pk
from catmaid_notify.models import TopicValue
from catmaid_notify.push import push
from catmaid_notify.types import UserLike

PARAMETER: Final = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>[A-Za-z_]\w*)>")
FOUND_MAX: Final = 10_000
"""Names whose declaration is remembered."""


class _Word(StringConverter):
    regex = "[^:]+"


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """One kind of topics: how they are called, and who may do what."""

    pattern: str
    may_follow: Callable[..., Any] | None
    may_follow_many: Callable[..., Any] | None
    may_publish: Callable[..., Any] | None
    clean: Callable[..., Any] | None
    keep_seconds: float
    regex: re.Pattern[str] = field(repr=False)
    converters: dict[str, Any] = field(repr=False)

    def match(self, topic: str) -> dict[str, Any] | None:
        """Return the parameters in the name of a topic, ``None`` if it is none of these."""
        matched = self.regex.fullmatch(topic)
        if matched is None:
            return None
        try:
            return {name: self.converters[name].to_python(text) for name, text in matched.groupdict().items()}
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, eq=False)
class Topic:
    """One topic: its name, its declaration, and the parameters in the name."""

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
    """Declare topics. All callables may be sync or async, and get the parameters of the pattern as keywords.

    Args:
        pattern: Such as ``"sheet:<slug:name>"``; the converters are those of Django's URLs, and a parameter without
            one is anything but a colon.
        may_follow: ``(user, **parameters)``: whether this user may follow.
        may_follow_many: ``(users, **parameters)``: those of the users who may follow, in place of ``may_follow``;
            one query for all of a topic's followers instead of one each.
        may_publish: ``(user, **parameters)``: whether pages of this user may publish; without it, none may.
        clean: ``(user, event, payload, **parameters)``: the payload to publish in place of what a page has sent, or
            a ``ValidationError`` whose text the page gets.
        keep_seconds: How long the last value is kept for those who come later; 0: not at all.

    Raises:
        ImproperlyConfigured: the pattern is taken or not valid, or a callable is missing.
    """
    if pattern in _declarations:
        raise ImproperlyConfigured(f"The topic {pattern!r} is declared twice.")
    if (may_follow is None) == (may_follow_many is None):
        raise ImproperlyConfigured(f"The topic {pattern!r} needs either may_follow or may_follow_many.")
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
    """Take a declaration back, for tests."""
    del _declarations[pattern]
    _find.cache_clear()


def find(name: object) -> Topic:
    """Return the topic with this name.

    Raises:
        UnknownTopic: nobody has declared such a topic, or the name is not valid.
    """
    if not isinstance(name, str) or not protocol.is_name(name, protocol.TOPIC_LENGTH_MAX):
        raise UnknownTopic(
            f"A topic's name must be a string of 1 to {protocol.TOPIC_LENGTH_MAX} printable characters, not {name!r}."
        )
    found = _find(name)
    if found is None:
        known = ", ".join(repr(pattern) for pattern in _declarations) or "none"
        raise UnknownTopic(
            f"No topic {name!r} is declared (declared: {known}); declare it in a topics.py of an installed app."
        )
    return found


def recheck(topic: str | None = None, *, user: UserLike | None = None) -> None:
    """Ask again, after commit, who may follow: a topic, what a user follows, or (without arguments) everything.

    To be called when permissions have changed; without it, that takes effect within a minute.
    """
    if topic is not None and user is not None:
        raise TypeError("recheck() takes a topic or a user, not both.")
    group = protocol.EVERYONE
    if topic is not None:
        group = find(topic).group
    elif user is not None:
        group = protocol.user_group(user_pk(user))
    order: protocol.LayerMessage = {"type": protocol.LAYER_TYPE, "recheck": True}
    transaction.on_commit(partial(push, group, order), using=router.db_for_write(TopicValue), robust=True)


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
            raise ImproperlyConfigured(f"The topic {pattern!r} has an unknown converter or {name!r} twice.")
        converters[name] = converter
        parts += [re.escape(pattern[end : found.start()]), f"(?P<{name}>{converter.regex})"]
        end = found.end()
    rest = pattern[end:]
    if not pattern or any(mark in "".join(_constants(pattern)) for mark in "<>"):
        raise ImproperlyConfigured(f"The topic {pattern!r} is not valid; write parameters as <name> or <int:name>.")
    return re.compile("".join([*parts, re.escape(rest)])), converters


def _constants(pattern: str) -> Iterable[str]:
    return PARAMETER.sub("\0", pattern).split("\0")

"""Permissions of topics: calls of the site's own callables. For a thread that may use the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.exceptions import ValidationError
from django.db import Error as DatabaseError

from catmaid_notify.auth import users
from catmaid_notify.exceptions import NotifyError
from catmaid_notify.protocol import check_event_name
from catmaid_notify.topics import Topic, publishing

logger = logging.getLogger("catmaid_notify")


class PublishRefused(NotifyError):
    """The page may not publish this."""


def followers_among(asked: Sequence[tuple[Topic, list[Any]]]) -> list[set[Any]]:
    """Return for each topic the primary keys of the users who may follow it, out of the given ones.

    Raises:
        django.db.Error: the database failed.
    """
    known = users.by_pk({pk for _topic, pks in asked for pk in pks})
    return [allowed([known[pk] for pk in pks if pk in known], topic) for topic, pks in asked]


def allowed(candidates: list[Any], topic: Topic) -> set[Any]:
    """Return the primary keys of the users who may follow a topic; none if the site's callable raises.

    Raises:
        django.db.Error: the database failed. It is no refusal: the caller asks again later.
    """
    declaration = topic.declaration
    try:
        if declaration.may_follow_many is not None:
            chosen = _call(declaration.may_follow_many, candidates, **topic.parameters)
            return {user.pk for user in chosen}
        return {user.pk for user in candidates if _call(declaration.may_follow, user, **topic.parameters)}
    except DatabaseError:
        raise
    except Exception:
        logger.exception("Topic refused, its permission callable raised: topic=%.200r", topic.name)
        return set()


def publish_from_page(pk: Any, topic: Topic, event: Any, payload: Any, sender: Any) -> None:
    """Publish an event that a page has sent, if the topic allows it. All arguments from the page are untrusted.

    Raises:
        PublishRefused: the topic does not allow it; the text is for the page.
        django.db.Error: the database failed.
    """
    user = users.by_pk([pk]).get(pk)
    declaration = topic.declaration
    try:
        check_event_name(event)
        if user is None or declaration.may_publish is None or declaration.clean is None:
            raise PublishRefused("not allowed")
        if not _call(declaration.may_publish, user, **topic.parameters):
            raise PublishRefused("not allowed")
        cleaned = _call(declaration.clean, user, event, payload, **topic.parameters)
        publishing.publish(topic.name, event, cleaned, sender=sender or "")
    except ValidationError as error:
        # The text may quote the page's input, and lone surrogates in it could not be sent in a frame.
        raise PublishRefused(" ".join(error.messages)[:500].encode(errors="replace").decode()) from None
    except (DatabaseError, PublishRefused):
        raise
    except NotifyError:
        raise PublishRefused("not valid") from None
    except Exception:
        logger.exception("Event of a page not published, the topic's callable raised: topic=%.200r", topic.name)
        raise PublishRefused("failed") from None


def _call(function: Callable[..., Any] | None, *arguments: Any, **parameters: Any) -> Any:
    if function is None:
        return False
    if iscoroutinefunction(function):
        return async_to_sync(function)(*arguments, **parameters)
    return function(*arguments, **parameters)

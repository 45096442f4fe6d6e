"""What a site's topics allow, asked in a thread that may use the database."""

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
    """The site does not allow this."""


def followers_among(asked: Sequence[tuple[Topic, list[Any]]]) -> list[set[Any]]:
    """Return for each topic which of the users, given by their primary keys, may follow it.

    Raises:
        django.db.Error: what the database says.
    """
    known = users.by_pk({pk for _topic, pks in asked for pk in pks})
    return [allowed([known[pk] for pk in pks if pk in known], topic) for topic, pks in asked]


def allowed(candidates: list[Any], topic: Topic) -> set[Any]:
    """Return the primary keys of the users who may follow a topic; nobody where the site's callable fails.

    Raises:
        django.db.Error: what the database says.
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
        logger.exception("Nobody may follow, since the permission of a topic failed: topic=%.200r", topic.name)
        return set()


def publish_from_page(pk: Any, topic: Topic, event: Any, payload: Any, sender: Any) -> None:
    """Publish what a page has sent, if the topic allows it.

    Raises:
        Refused: with the reason that the page gets.
        django.db.Error: what the database says.
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
        # It may repeat what the page has sent, and that may hold what no frame can: lone surrogates.
        raise PublishRefused(" ".join(error.messages)[:500].encode(errors="replace").decode()) from None
    except (DatabaseError, PublishRefused):
        raise
    except NotifyError:
        raise PublishRefused("not valid") from None
    except Exception:
        logger.exception("Not published, since the topic's own code failed: topic=%.200r", topic.name)
        raise PublishRefused("failed") from None


def _call(function: Callable[..., Any] | None, *arguments: Any, **parameters: Any) -> Any:
    if function is None:
        return False
    if iscoroutinefunction(function):
        return async_to_sync(function)(*arguments, **parameters)
    return function(*arguments, **parameters)

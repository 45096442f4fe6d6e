"""Public functions for host code: stored messages, events, topics, presence.

All of them work in views, tasks, management commands and shells. They raise for bad arguments and for database errors,
nothing else, and never wait for the broker. A message is first a row in the caller's transaction, and is pushed after
the commit: a message that is rolled back is never shown. The inbox is the truth, so reconciling finds a lost push.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import IntegrityError, models, router, transaction
from django.views.decorators.debug import sensitive_variables

from catmaid_notify import protocol
from catmaid_notify.content import Content, Level, checked_key
from catmaid_notify.events import msg_everyone, msg_group, msg_session, msg_user, msg_users
from catmaid_notify.inbox.recipients import BATCH, require_user, user_pk, user_pks, users_of
from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.presence import followers, is_online, socket_count
from catmaid_notify.push import call_after_commit, push
from catmaid_notify.topics.publishing import publish
from catmaid_notify.types import JSON, UserLike
from catmaid_notify.utils.chunks import batches

__all__ = [  # noqa: RUF022 - grouped by what they do
    # Stored messages
    "notify_user",
    "anotify_user",
    "notify_users",
    "anotify_users",
    "mark_read",
    "amark_read",
    # Events that are not stored
    "msg_user",
    "amsg_user",
    "msg_users",
    "amsg_users",
    "msg_group",
    "amsg_group",
    "msg_session",
    "amsg_session",
    "msg_everyone",
    "amsg_everyone",
    "publish",
    "apublish",
    # Presence
    "is_online",
    "ais_online",
    "socket_count",
    "asocket_count",
    "followers",
    "afollowers",
    # Users
    "require_user",
    "user_pk",
    # Types
    "JSON",
    "Level",
    "UserLike",
]

logger = logging.getLogger("catmaid_notify")


@sensitive_variables()  # keeps titles and texts out of error mails
def notify_user(
    user: UserLike,
    title: str,
    *,
    text: str = "",
    action: str = "",
    level: str = Level.INFO,
    key: str | None = None,
) -> Message:
    """Store a message in a user's inbox and push it to the user's open pages after commit.

    The message is part of the caller's transaction; if that is rolled back, nothing is stored and nothing is pushed.
    The push never raises and never waits. Each open page shows the message once, even if the push is lost.

    Args:
        user: The recipient.
        title: Plain text, not blank, at most ``CATMAID_NOTIFY_TITLE_LENGTH_MAX`` characters.
        text: Plain text, at most ``CATMAID_NOTIFY_TEXT_LENGTH_MAX`` characters.
        action: Target of the message's link: an http(s) URL, or a path on this site that begins with ``/``; empty for
            no link.
        level: A `Level` or its value: ``"info"``, ``"success"``, ``"warning"``, ``"error"``.
        key: Makes the call idempotent: a user gets at most one message with the same key. At most 255 characters;
            ``None`` for no such limit.

    Returns:
        The stored message; if the user has one with this ``key`` already, that one, unchanged and not pushed again.

    Raises:
        InvalidMessage: an argument is not valid.
        UnknownUser: there is no such user.
        django.db.Error: the database failed; nothing is stored.
    """
    content = Content.checked(title=title, text=text, action=action, level=level)
    checked = checked_key(key)
    pk = user_pk(user)
    using = router.db_for_write(Message)
    if not isinstance(user, models.Model) and transaction.get_connection(using).in_atomic_block:
        # Inside a transaction, databases check foreign keys at its commit, far from the line that caused the error.
        require_user(pk, using)
    try:
        message, created = _store(pk, content, checked, using)
    except IntegrityError:
        if not transaction.get_connection(using).needs_rollback:
            require_user(pk, using)
        raise
    if created:
        _push_messages([message], using)
    return message


@sensitive_variables()
def notify_users(
    users: Iterable[UserLike],
    title: str,
    *,
    text: str = "",
    action: str = "",
    level: str = Level.INFO,
) -> int:
    """Store the same message in many inboxes and push it to the users' open pages after commit.

    Rows are written in batches of 1,000, each in a transaction of its own unless the caller has one, so 100,000 users
    need little memory. A user that does not exist (any more) is skipped and logged; the others get their message.
    The push never raises and never waits.

    Args:
        users: A queryset of users, instances or primary keys; each user gets one message, however often they occur.
        title: As for `notify_user`.
        text: As for `notify_user`.
        action: As for `notify_user`.
        level: As for `notify_user`.

    Returns:
        The number of messages that were stored.

    Raises:
        InvalidMessage: an argument is not valid; nothing is stored.
        UnknownUser: one of ``users`` is neither a user nor a primary key; earlier batches remain stored.
        django.db.Error: the database failed; earlier batches remain stored.
    """
    content = Content.checked(title=title, text=text, action=action, level=level)
    using = router.db_for_write(Message)
    written = 0
    for pks in batches(user_pks(users), BATCH):
        known = set(users_of(using).filter(pk__in=pks).values_list("pk", flat=True))
        missing = [pk for pk in pks if pk not in known]
        if missing:
            logger.warning("Message not stored, users do not exist: count=%d first=%r", len(missing), missing[0])
        messages = [_message(pk, content) for pk in pks if pk in known]
        with transaction.atomic(using=using):
            Message.objects.using(using).bulk_create(messages)
            _push_messages(messages, using)
        written += len(messages)
    return written


def mark_read(user: UserLike, ids: Iterable[int] | None = None) -> list[int]:
    """Mark messages of a user as read and tell the user's open pages after commit.

    Args:
        user: The owner of the messages.
        ids: Primary keys of messages; unknown ones and those of other users' messages change nothing. ``None`` for all
            messages of the user.

    Returns:
        The primary keys of the messages that were unread.

    Raises:
        UnknownUser: ``user`` is neither a user nor a primary key.
        django.db.Error: the database failed; nothing has changed.
    """
    pk = user_pk(user)
    using = router.db_for_write(Message)
    # Databases raise for integers beyond 64 bits.
    possible = None if ids is None else [pk for pk in ids if 0 < pk < 2**63]
    with transaction.atomic(using=using):
        found = Message.objects.using(using).for_user(pk).mark_read(possible)
    # Many ids take several frames, so that none is large; for all messages one frame without ids is enough.
    for batch in batches(found, BATCH):
        payload: dict[str, Any] = {"all": True} if ids is None else {"ids": batch}
        frame = protocol.frame(protocol.Event.MESSAGE_READ, payload)
        call_after_commit(using, push, protocol.user_group(pk), {"type": protocol.LAYER_TYPE, "v1": frame})
        if ids is None:
            break
    return found


def check_message(title: str, *, text: str = "", action: str = "", level: str = Level.INFO) -> None:
    """Check the content of a message as `notify_user` does, and store nothing.

    Raises:
        InvalidMessage: an argument is not valid.
    """
    Content.checked(title=title, text=text, action=action, level=level)


def push_progress(progress: TaskProgress, state: str) -> None:
    """Push the progress of a task at once, not after commit: the bar has to move during a long transaction."""
    frame = protocol.frame(protocol.Event.TASK_PROGRESS, progress.as_dict(state))
    push(protocol.user_group(progress.user_id), {"type": protocol.LAYER_TYPE, "v1": frame})


anotify_user = sync_to_async(notify_user)
"""Async twin of `notify_user`: same arguments, result, errors and guarantees."""
anotify_users = sync_to_async(notify_users)
"""Async twin of `notify_users`: same arguments, result, errors and guarantees."""
amark_read = sync_to_async(mark_read)
"""Async twin of `mark_read`: same arguments, result, errors and guarantees."""
amsg_user = sync_to_async(msg_user)
"""Async twin of `msg_user`: same arguments, result, errors and guarantees."""
amsg_users = sync_to_async(msg_users)
"""Async twin of `msg_users`: same arguments, result, errors and guarantees."""
amsg_group = sync_to_async(msg_group)
"""Async twin of `msg_group`: same arguments, result, errors and guarantees."""
amsg_session = sync_to_async(msg_session)
"""Async twin of `msg_session`: same arguments, result, errors and guarantees."""
amsg_everyone = sync_to_async(msg_everyone)
"""Async twin of `msg_everyone`: same arguments, result, errors and guarantees."""
apublish = sync_to_async(publish)
"""Async twin of `publish`: same arguments, result, errors and guarantees."""
ais_online = sync_to_async(is_online)
"""Async twin of `is_online`: same arguments, result, errors and guarantees."""
asocket_count = sync_to_async(socket_count)
"""Async twin of `socket_count`: same arguments, result, errors and guarantees."""
afollowers = sync_to_async(followers)
"""Async twin of `followers`: same arguments, result, errors and guarantees."""


def _message(pk: Any, content: Content, key: str | None = None) -> Message:
    return Message(
        user_id=pk, title=content.title, text=content.text, action=content.action, level=content.level, key=key
    )


def _store(pk: Any, content: Content, key: str | None, using: str) -> tuple[Message, bool]:
    """Insert a message; return it and ``True``, or the user's message with the same key and ``False``."""
    message = _message(pk, content, key)
    if key is None:
        message.save(using=using, force_insert=True)
        return message, True
    try:
        with transaction.atomic(using=using):
            message.save(using=using, force_insert=True)
    except IntegrityError:
        existing = Message.objects.using(using).for_user(pk).filter(key=key).first()
        if existing is None:
            raise
        return existing, False
    return message, True


def _push_messages(messages: list[Message], using: str) -> None:
    """Push messages once their transaction has committed; at once where there is none."""
    if messages:
        send = _push_stored if transaction.get_connection(using).in_atomic_block else _push_now
        call_after_commit(using, send, messages)


def _push_stored(messages: list[Message]) -> None:
    """Push those of the messages that the commit has kept.

    Django drops the callbacks of an atomic block that is rolled back, but runs those that were registered before a
    manual ``savepoint_rollback()``. Their rows are gone, and a page must not show them.
    """
    using = messages[0]._state.db
    pks = [message.pk for message in messages]
    stored = set(Message.objects.using(using).filter(pk__in=pks).values_list("pk", flat=True))
    _push_now([message for message in messages if message.pk in stored])


def _push_now(messages: list[Message]) -> None:
    for message in messages:
        push(protocol.user_group(message.user_id), message.as_layer_message())

"""The functions for host code: one call from a view, a task, a command or a shell.

Row first, push after commit: what is rolled back is never shown, and a push that is lost is found again by
reconciling, since the inbox is the truth. These functions raise for bad arguments and for database errors, and for
nothing else; no broker makes them wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
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
from catmaid_notify.push import push
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
    # Who is there
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


@sensitive_variables()  # no error mail shows what users are told
def notify_user(
    user: UserLike,
    title: str,
    *,
    text: str = "",
    action: str = "",
    level: str = Level.INFO,
    key: str | None = None,
) -> Message:
    """Put a message into a user's inbox and push it to the user's pages after commit.

    ``user`` is an instance or a primary key. ``action`` is a link: http(s), or a path on this site. With a ``key``
    the user gets one message at most for that key, however often this is called; the first one is returned.

    Raises:
        InvalidMessage: an argument is not valid.
        UnknownUser: there is no such user.
        django.db.Error: what the database says; nothing is stored then.
    """
    content = Content.checked(title=title, text=text, action=action, level=level)
    checked = checked_key(key)
    pk = user_pk(user)
    using = router.db_for_write(Message)
    if not isinstance(user, models.Model) and transaction.get_connection(using).in_atomic_block:
        # Foreign keys are checked at commit there, far from the line that caused the error.
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
    """Put the same message into many inboxes and return how many were written.

    ``users`` are instances, primary keys or a queryset of users, each counted once. They are written in batches of
    1,000, each in a transaction of its own unless there is one already, so 100,000 users need little memory. Users
    that don't exist (any more) are left out and logged: the others shall have their message all the same.

    Raises:
        InvalidMessage: an argument is not valid; nothing is stored then.
        UnknownUser: one of ``users`` is no user and no primary key.
    """
    content = Content.checked(title=title, text=text, action=action, level=level)
    using = router.db_for_write(Message)
    written = 0
    for pks in batches(user_pks(users), BATCH):
        known = set(users_of(using).filter(pk__in=pks).values_list("pk", flat=True))
        missing = [pk for pk in pks if pk not in known]
        if missing:
            logger.warning("No message for users that do not exist: count=%d first=%r", len(missing), missing[0])
        messages = [_message(pk, content) for pk in pks if pk in known]
        with transaction.atomic(using=using):
            Message.objects.using(using).bulk_create(messages)
            _push_messages(messages, using)
        written += len(messages)
    return written


def mark_read(user: UserLike, ids: Iterable[int] | None = None) -> list[int]:
    """Mark messages of this user (``None``: all) as read, tell the user's other pages, return the ids that changed."""
    pk = user_pk(user)
    using = router.db_for_write(Message)
    # Ids that no database has would be errors there.
    possible = None if ids is None else [pk for pk in ids if 0 < pk < 2**63]
    with transaction.atomic(using=using):
        found = Message.objects.using(using).for_user(pk).mark_read(possible)
    for batch in batches(found, BATCH):
        payload: dict[str, Any] = {"all": True} if ids is None else {"ids": batch}
        frame = protocol.frame(protocol.Event.MESSAGE_READ, payload)
        order = partial(push, protocol.user_group(pk), {"type": protocol.LAYER_TYPE, "v1": frame})
        transaction.on_commit(order, using=using, robust=True)
        if ids is None:
            break
    return found


def check_message(title: str, *, text: str = "", action: str = "", level: str = Level.INFO) -> None:
    """Raise `InvalidMessage` where `notify_user` would, and store nothing."""
    Content.checked(title=title, text=text, action=action, level=level)


def push_progress(progress: TaskProgress, state: str) -> None:
    """Send how far a task is, at once: who waits for a transaction to end wants to see the bar move meanwhile."""
    frame = protocol.frame(protocol.Event.TASK_PROGRESS, progress.as_dict(state))
    push(protocol.user_group(progress.user_id), {"type": protocol.LAYER_TYPE, "v1": frame})


anotify_user = sync_to_async(notify_user)
"""See notify_user()."""
anotify_users = sync_to_async(notify_users)
"""See notify_users()."""
amark_read = sync_to_async(mark_read)
"""See mark_read()."""
amsg_user = sync_to_async(msg_user)
"""See msg_user()."""
amsg_users = sync_to_async(msg_users)
"""See msg_users()."""
amsg_group = sync_to_async(msg_group)
"""See msg_group()."""
amsg_session = sync_to_async(msg_session)
"""See msg_session()."""
amsg_everyone = sync_to_async(msg_everyone)
"""See msg_everyone()."""
apublish = sync_to_async(publish)
"""See publish()."""
ais_online = sync_to_async(is_online)
"""See is_online()."""
asocket_count = sync_to_async(socket_count)
"""See socket_count()."""
afollowers = sync_to_async(followers)
"""See followers()."""


def _message(pk: Any, content: Content, key: str | None = None) -> Message:
    return Message(
        user_id=pk, title=content.title, text=content.text, action=content.action, level=content.level, key=key
    )


def _store(pk: Any, content: Content, key: str | None, using: str) -> tuple[Message, bool]:
    """Insert the row; with a key, return the one that is there already."""
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
    """Push stored messages once their transaction has committed."""
    send = _push_stored if transaction.get_connection(using).in_atomic_block else _push_now
    transaction.on_commit(partial(send, messages), using=using, robust=True)


def _push_stored(messages: list[Message]) -> None:
    """Push those that are there after the commit.

    Django forgets the callbacks of an atomic block that is rolled back, but not those of savepoints made by hand.
    """
    using = messages[0]._state.db
    pks = [message.pk for message in messages]
    stored = set(Message.objects.using(using).filter(pk__in=pks).values_list("pk", flat=True))
    _push_now([message for message in messages if message.pk in stored])


def _push_now(messages: list[Message]) -> None:
    for message in messages:
        push(protocol.user_group(message.user_id), message.as_layer_message())

"""Events that are not stored: pushed to the open pages of users, a group, a session or everyone, at most once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.db import models, router
from django.views.decorators.debug import sensitive_variables

from catmaid_notify import protocol
from catmaid_notify.auth import sessions
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import InvalidEvent
from catmaid_notify.inbox.recipients import BATCH, user_pk, user_pks
from catmaid_notify.models import Message
from catmaid_notify.push import call_after_commit, push
from catmaid_notify.types import JSON, UserLike
from catmaid_notify.utils.chunks import batches


@sensitive_variables()  # keeps payloads out of error mails
def msg_user(user: UserLike, event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of a user after commit, at most once.

    Nothing is stored: pages that are closed or have no socket miss the event. A rolled-back transaction sends nothing.
    The push never raises and never waits. No query tells whether the user exists.

    Args:
        user: The recipient.
        event: Name of the event, 1 to 100 printable characters; none of `protocol.Event` but ``new-message``.
        payload: The event's data. With its envelope it has at most ``CATMAID_NOTIFY_PAYLOAD_BYTES_MAX`` bytes as JSON.

    Raises:
        InvalidEvent: the name is not valid or reserved, or the payload is not JSON or too large.
        UnknownUser: ``user`` is neither a user nor a primary key.
    """
    send_later(protocol.user_group(user_pk(user)), _message(event, payload))


@sensitive_variables()
def msg_users(users: Iterable[UserLike], event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of several users after commit, at most once. See `msg_user`.

    Args:
        users: A queryset of users, instances or primary keys.
        event: As for `msg_user`.
        payload: As for `msg_user`.

    Raises:
        InvalidEvent: as for `msg_user`.
        UnknownUser: one of ``users`` is neither a user nor a primary key; users before it may get the event.
        django.db.Error: the database failed while it read a queryset.
    """
    message = _message(event, payload)
    for pks in batches(user_pks(users), BATCH):
        # One push for the whole batch: each ASGI process picks those of its own sockets.
        send_later(protocol.EVERYONE, {**message, "to": [protocol.user_group(pk) for pk in pks]})


@sensitive_variables()
def msg_group(group: models.Model | str, event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of the members of a Django group after commit, at most once. See `msg_user`.

    Args:
        group: An instance, or the name of a group; an unknown name reaches nobody.
        event: As for `msg_user`.
        payload: As for `msg_user`.

    Raises:
        InvalidEvent: as for `msg_user`.
        django.db.Error: the database failed.
    """
    members: dict[str, Any] = {"groups": group} if isinstance(group, models.Model) else {"groups__name": group}
    msg_users(get_user_model()._default_manager.filter(**members), event, payload)


@sensitive_variables()
def msg_session(session: SessionBase | str, event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of one session after commit, at most once. See `msg_user`.

    A session that nobody is signed in with gets nothing, since it has no sockets.

    Args:
        session: ``request.session`` or a session key.
        event: As for `msg_user`.
        payload: As for `msg_user`.

    Raises:
        InvalidEvent: as for `msg_user`.
        django.db.Error: the database failed while it read the session.
    """
    message = _message(event, payload)
    key, data = _opened(session)
    if key and data.get(SESSION_KEY):
        send_later(protocol.user_group(user_pk(data[SESSION_KEY])), {**message, "session": sessions.digest(key)})


@sensitive_variables()
def msg_everyone(event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of all signed-in users after commit, at most once. See `msg_user`.

    Args:
        event: As for `msg_user`.
        payload: As for `msg_user`.

    Raises:
        InvalidEvent: as for `msg_user`.
    """
    send_later(protocol.EVERYONE, _message(event, payload))


def _opened(session: SessionBase | str) -> tuple[str, Any]:
    """Return the key and the data of a session."""
    if isinstance(session, SessionBase):
        return session.session_key or "", session
    found = sessions.load([session]).get(session)
    return session, found.data if found else {}


@sensitive_variables()
def _message(event: str, payload: JSON) -> protocol.LayerMessage:
    name = protocol.check_event_name(event, to_users=True)
    return {"type": protocol.LAYER_TYPE, "data": checked_frame(name, payload)}


@sensitive_variables()
def checked_frame(event: str, payload: JSON, **extra: JSON) -> str:
    """Encode an event as a frame.

    Raises:
        InvalidEvent: the payload is not JSON, or the frame is too large.
    """
    frame = protocol.frame(event, payload, **extra)
    size = len(frame.encode())
    if size > conf.PAYLOAD_BYTES_MAX:
        raise InvalidEvent(
            f"The frame of event {str(event)!r} has {size} bytes; CATMAID_NOTIFY_PAYLOAD_BYTES_MAX allows "
            f"{conf.PAYLOAD_BYTES_MAX}. Send an id instead of the data, and let the page fetch the data."
        )
    return frame


def send_later(group: str, message: protocol.LayerMessage) -> None:
    """Push a layer message after commit, at once where there is no transaction."""
    call_after_commit(router.db_for_write(Message), push, group, message)

"""Events that are not stored, for one user, several, a session or everyone; at most once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.db import models, router, transaction
from django.views.decorators.debug import sensitive_variables

from catmaid_notify import protocol
from catmaid_notify.auth import sessions
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import InvalidEvent
from catmaid_notify.inbox.recipients import BATCH, user_pk, user_pks
from catmaid_notify.models import Message
from catmaid_notify.push import push
from catmaid_notify.types import JSON, UserLike
from catmaid_notify.utils.chunks import batches


@sensitive_variables()  # no error mail shows what users are told
def msg_user(user: UserLike, event: str, payload: JSON = None) -> None:
    """Send an event to the pages that a user has open now, after commit; at most once, nothing is stored.

    Raises:
        InvalidEvent: the name is not valid or reserved, the payload is not JSON or too large.
        UnknownUser: ``user`` is no user and no primary key.
    """
    send_later(protocol.user_group(user_pk(user)), _message(event, payload))


@sensitive_variables()
def msg_users(users: Iterable[UserLike], event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of several users: instances, primary keys or a queryset. See msg_user()."""
    message = _message(event, payload)
    for pks in batches(user_pks(users), BATCH):
        # One message for all of them: each process looks who of them is there.
        send_later(protocol.EVERYONE, {**message, "to": [protocol.user_group(pk) for pk in pks]})


@sensitive_variables()
def msg_group(group: models.Model | str, event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of the members of a Django group, given as instance or by its name."""
    members: dict[str, Any] = {"groups": group} if isinstance(group, models.Model) else {"groups__name": group}
    msg_users(get_user_model()._default_manager.filter(**members), event, payload)


@sensitive_variables()
def msg_session(session: SessionBase | str, event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of one session: ``request.session`` or a session key. See msg_user().

    Does nothing where nobody is signed in with it: only who is signed in has a socket.
    """
    message = _message(event, payload)
    key, data = _opened(session)
    if key and data.get(SESSION_KEY):
        send_later(protocol.user_group(user_pk(data[SESSION_KEY])), {**message, "session": sessions.digest(key)})


@sensitive_variables()
def msg_everyone(event: str, payload: JSON = None) -> None:
    """Send an event to the open pages of everyone who is signed in. See msg_user()."""
    send_later(protocol.EVERYONE, _message(event, payload))


def _opened(session: SessionBase | str) -> tuple[str, Any]:
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
    """Return the frame of an event.

    Raises:
        InvalidEvent: the payload is not JSON or too large.
    """
    frame = protocol.frame(event, payload, **extra)
    size = len(frame.encode())
    if size > conf.PAYLOAD_BYTES_MAX:
        raise InvalidEvent(
            f"The payload of event {str(event)!r} has {size} bytes; CATMAID_NOTIFY_PAYLOAD_BYTES_MAX is "
            f"{conf.PAYLOAD_BYTES_MAX}. Send what names the data, and let the page fetch it."
        )
    return frame


def send_later(group: str, message: protocol.LayerMessage) -> None:
    """Push a message after commit."""
    # Robust: host code must not fail because of us.
    transaction.on_commit(partial(push, group, message), using=router.db_for_write(Message), robust=True)

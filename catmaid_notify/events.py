"""Events that are not stored, for one user, several, a session, everyone, or whoever follows a topic; at most once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.db import models, router, transaction
from django.views.decorators.debug import sensitive_variables

from catmaid_notify import kept, protocol, sessions, topics
from catmaid_notify.batches import batches
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import InvalidEvent
from catmaid_notify.models import Message
from catmaid_notify.publish import push
from catmaid_notify.recipients import BATCH, user_pk, user_pks


@sensitive_variables()  # no error mail shows what users are told
def msg_user(user: Any, event: str, payload: Any = None) -> None:
    """Send an event to the pages that a user has open now, after commit; at most once, nothing is stored.

    Raises:
        InvalidEvent: the name is not valid or reserved, the payload is not JSON or too large.
        UnknownUser: ``user`` is no user and no primary key.
    """
    _send_later(protocol.user_group(user_pk(user)), _message(event, payload))


@sensitive_variables()
def msg_users(users: Iterable[Any], event: str, payload: Any = None) -> None:
    """Send an event to the open pages of several users: instances, primary keys or a queryset. See msg_user()."""
    message = _message(event, payload)
    for pks in batches(user_pks(users), BATCH):
        # One message for all of them: each process looks who of them is there.
        _send_later(protocol.EVERYONE, {**message, "to": [protocol.user_group(pk) for pk in pks]})


@sensitive_variables()
def msg_group(group: Any, event: str, payload: Any = None) -> None:
    """Send an event to the open pages of the members of a Django group, given as instance or by its name."""
    members = {"groups": group} if isinstance(group, models.Model) else {"groups__name": group}
    msg_users(get_user_model()._default_manager.filter(**members), event, payload)


@sensitive_variables()
def msg_session(session: Any, event: str, payload: Any = None) -> None:
    """Send an event to the open pages of one session: ``request.session`` or a session key. See msg_user().

    Does nothing where nobody is signed in with it: only who is signed in has a socket.
    """
    message = _message(event, payload)
    key, data = _opened(session)
    if key and data.get(SESSION_KEY):
        _send_later(protocol.user_group(user_pk(data[SESSION_KEY])), {**message, "session": sessions.digest(key)})


@sensitive_variables()
def msg_everyone(event: str, payload: Any = None) -> None:
    """Send an event to the open pages of everyone who is signed in. See msg_user()."""
    _send_later(protocol.EVERYONE, _message(event, payload))


@sensitive_variables()
def publish(topic: str, event: str, payload: Any = None, *, sender: str = "", on_commit: bool = True) -> None:
    """Send an event to all who follow a topic, after commit unless ``on_commit`` is false.

    Where the topic keeps its last value, the event is stored with the transaction for those who come later.

    Args:
        topic: The name of a topic that a ``topics.py`` declares, such as ``"sheet:42"``.
        event: What has happened; none of the names that the app itself uses, `protocol.Event`.
        payload: Anything that JSON can hold.
        sender: An id that the page has chosen and sent along, by which it knows its own changes again.
        on_commit: ``False`` sends at once, whatever becomes of the transaction.

    Raises:
        UnknownTopic: nobody has declared such a topic.
        InvalidEvent: event, payload or sender are not valid, or too large.
        django.db.Error: what the database says, where the last value is kept.
    """
    declaration = topics.find(topic).declaration
    if sender and not protocol.is_name(sender, protocol.SENDER_LENGTH_MAX):
        raise InvalidEvent(f"A sender must be a string of at most {protocol.SENDER_LENGTH_MAX} printable characters.")
    extra = {"topic": topic, **({"sender": sender} if sender else {})}
    frame = _checked_frame(protocol.check_event_name(event), payload, **extra)
    if declaration.keep_seconds:
        version = kept.keep(topic, event, payload, sender=sender, seconds=declaration.keep_seconds)
        frame = protocol.frame(event, payload, **extra, version=version)
    message: protocol.LayerMessage = {"type": protocol.LAYER_TYPE, "v1": frame}
    if on_commit:
        _send_later(protocol.topic_group(topic), message)
    else:
        push(protocol.topic_group(topic), message)


def _opened(session: Any) -> tuple[str, Any]:
    if isinstance(session, SessionBase):
        return session.session_key or "", session
    found = sessions.load([session]).get(session)
    return session, found.data if found else {}


@sensitive_variables()
def _message(event: str, payload: Any) -> protocol.LayerMessage:
    name = protocol.check_event_name(event, to_users=True)
    return {"type": protocol.LAYER_TYPE, "data": _checked_frame(name, payload)}


@sensitive_variables()
def _checked_frame(event: str, payload: Any, **extra: Any) -> str:
    frame = protocol.frame(event, payload, **extra)
    size = len(frame.encode())
    if size > conf.PAYLOAD_BYTES_MAX:
        raise InvalidEvent(
            f"The payload of event {str(event)!r} has {size} bytes; CATMAID_NOTIFY_PAYLOAD_BYTES_MAX is "
            f"{conf.PAYLOAD_BYTES_MAX}. Send what names the data, and let the page fetch it."
        )
    return frame


def _send_later(group: str, message: protocol.LayerMessage) -> None:
    # Robust: host code must not fail because of us.
    transaction.on_commit(partial(push, group, message), using=router.db_for_write(Message), robust=True)

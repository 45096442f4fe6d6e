"""WebSocket protocol of ``/channels/updates/``: dialects, events, frames, close codes, group names. Pure."""

from __future__ import annotations

import hashlib
import json
from enum import IntEnum, StrEnum
from typing import Any, Final, NotRequired, TypedDict

from django.core.serializers.json import DjangoJSONEncoder

from catmaid_notify.exceptions import InvalidEvent

SUBPROTOCOL: Final = "catmaid-notify.v1"
"""Subprotocol of our own dialect, v1. A socket without a subprotocol speaks the plain dialect, as CATMAID's client."""

EVENT_LENGTH_MAX: Final = 100
"""Longest name of an event, in characters."""
TOPIC_LENGTH_MAX: Final = 200
"""Longest name of a topic, in characters."""
SENDER_LENGTH_MAX: Final = 100
"""Longest ``sender``, in characters: the id by which a page recognises its own changes."""


class Event(StrEnum):
    """Events of this protocol. A site's own events must not use these names."""

    HELLO = "hello"
    NEW_MESSAGE = "new-message"
    MESSAGE_READ = "message-read"
    TASK_PROGRESS = "task-progress"
    PING = "ping"
    PONG = "pong"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    PUBLISH = "publish"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    REFUSED = "refused"


RESERVED_EVENTS: Final = frozenset(Event)
"""Names that a site may not use: clients would take the event for one of this protocol, whatever its topic."""
FREE_TO_USERS: Final = frozenset({Event.NEW_MESSAGE})
"""Reserved names that ``msg_user`` and related functions may send: CATMAID's own code sends ``new-message``."""


class Close(IntEnum):
    """Close codes of the server. Each says what the client does next."""

    NO_SESSION = 4401
    """There is no session, or it has ended: the client shows that the user is signed out."""
    SILENT = 4408
    """The client does not answer pings or does not read: it reconnects."""
    TOO_MANY_SOCKETS = 4409
    """The user has too many sockets: the client polls, and tries again after 5 minutes."""
    OTHER_USER = 4410
    """The session has ended or belongs to another user: the client drops its state and reconnects."""
    OLD_DIALECT = 4412
    """The server does not speak the client's dialect: the client polls, and tries again now and then."""
    TOO_MANY_FRAMES = 4429
    """The client has sent too many or too large frames: it polls, and tries again after 60 s."""
    NO_BROKER = 4503
    """The broker or the database can't be reached: the client tries again, and polls after three failures."""


class LayerMessage(TypedDict):
    """Message of the channel layer to a group of sockets: a frame, or a control message to the hub.

    CATMAID's own code publishes messages with the keys ``type`` and ``data``, so it reaches our sockets, too.
    """

    type: str
    group: NotRequired[str]
    data: NotRequired[str | None]
    """Frame for plain sockets, as JSON text. If it is missing or ``None``, they get none."""
    v1: NotRequired[str]
    """Frame for sockets of the v1 dialect, if it differs from ``data``."""
    id: NotRequired[int]
    """Primary key of the stored message that the frame shows."""
    ended: NotRequired[str]
    """Control message: close the sockets of the session with this hash, or of `ALL_SESSIONS`."""
    replaced: NotRequired[str]
    """Control message in `EVERYONE`: the browser of the session with this hash has a new session; close its sockets."""
    check: NotRequired[bool]
    """Control message: the user was changed; check the sign-in of these sockets again."""
    recheck: NotRequired[bool]
    """Control message: check the topic permissions of these sockets again."""
    session: NotRequired[str]
    """Hash of a session; only its sockets get the message."""
    to: NotRequired[list[str]]
    """Groups that get a message to `EVERYONE`. If it is missing, all sockets do."""


LAYER_TYPE: Final = "user.message"
"""``type`` of all layer messages."""
CONTROL_KEYS: Final = frozenset({"ended", "replaced", "check", "recheck"})
"""Keys that make a layer message a control message to the hub."""
ALL_SESSIONS: Final = "*"
"""Value of ``ended`` if it is unknown which session has ended."""


EVERYONE: Final = "catmaid-notify-everyone"
"""Group that every process with sockets joins."""


def user_key(pk: object) -> str:
    """Return the primary key of a user as a string, the form that clients see."""
    return str(pk)


def user_group(pk: object) -> str:
    """Return the group name of the user with primary key ``pk``; different keys give different names.

    Integers give CATMAID's ``updates-<id>``. Other keys are encoded in hexadecimal, long ones as their SHA-256, since
    Channels takes ASCII names with fewer than 100 characters only.
    """
    if isinstance(pk, int) and not isinstance(pk, bool):
        return f"updates-{pk}"
    return f"updates-{_ascii(str(pk))}"


def topic_group(topic: str) -> str:
    """Return the group name of a topic, in ASCII. Different topics give different names, and none is a user's."""
    return f"topic-{_ascii(topic)}"


def _ascii(name: str) -> str:
    raw = name.encode("utf-8", "surrogatepass")
    return f"x{raw.hex()}" if len(raw) <= 40 else f"h{hashlib.sha256(raw).hexdigest()}"


def to_json(value: object, *, what: str) -> str:
    """Return ``value`` as compact JSON that can be encoded as UTF-8.

    Args:
        value: any value that `DjangoJSONEncoder` takes.
        what: name of the value, for the error text.

    Raises:
        InvalidEvent: a part of ``value`` has no JSON form (lone surrogates, NaN, bytes, a recursion ...).
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), cls=DjangoJSONEncoder)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"{what} can't be written as JSON: {error}") from error
    return text


def frame(event: str, payload: Any = None, **extra: Any) -> str:
    """Return a frame as JSON text.

    Args:
        event: name of the event.
        payload: any value that JSON can hold.
        extra: further fields of the frame, such as ``id``, ``topic``, ``ref``.

    Raises:
        InvalidEvent: a field has no JSON form.
    """
    return to_json({"event": event, "payload": payload, **extra}, what=f"The payload of event {str(event)!r}")


def is_name(name: object, length_max: int) -> bool:
    """Return true for a string of 1 to ``length_max`` printable characters."""
    return isinstance(name, str) and 0 < len(name) <= length_max and name.isprintable()


def check_event_name(event: object, *, to_users: bool = False) -> str:
    """Return ``event`` if a site may send an event of this name.

    Args:
        event: name to check.
        to_users: the event goes to users, not to a topic. It may then use the names in `FREE_TO_USERS`.

    Raises:
        InvalidEvent: the name is too long, not printable, not a string, or reserved.
    """
    if not isinstance(event, str) or not is_name(event, EVENT_LENGTH_MAX):
        raise InvalidEvent(
            f"The name of an event must be a string of 1 to {EVENT_LENGTH_MAX} printable characters, not {event!r}."
        )
    if event in RESERVED_EVENTS and not (to_users and event in FREE_TO_USERS):
        raise InvalidEvent(f"The event name {event!r} is reserved for catmaid_notify; use another name.")
    return event

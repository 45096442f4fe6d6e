"""The wire of ``/channels/updates/``: dialects, events, frames, close codes and group names. Pure."""

from __future__ import annotations

import hashlib
import json
from enum import IntEnum, StrEnum
from typing import Any, Final, NotRequired, TypedDict

from django.core.serializers.json import DjangoJSONEncoder

from catmaid_notify.exceptions import InvalidEvent

SUBPROTOCOL: Final = "catmaid-notify.v1"
"""Name of our own dialect; a socket without a subprotocol speaks the plain one (CATMAID's client)."""

EVENT_LENGTH_MAX: Final = 100
"""Characters of an event's name."""
TOPIC_LENGTH_MAX: Final = 200
"""Characters of a topic's name."""
SENDER_LENGTH_MAX: Final = 100
"""Characters of the id by which a page knows what it has caused itself."""


class Event(StrEnum):
    """Events that have a meaning of their own; a site's events must not use these names."""

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
"""Names that are refused: pages would take such an event for one of ours, whatever its topic."""
FREE_TO_USERS: Final = frozenset({Event.NEW_MESSAGE})
"""Those that ``msg_user`` and its like may send all the same: CATMAID's own code sends ``new-message`` itself."""


class Close(IntEnum):
    """Close codes that we send, each telling the client what to do next."""

    NO_SESSION = 4401
    """No session, or no longer: the client is signed out."""
    SILENT = 4408
    """Doesn't answer pings, or doesn't read: the client reconnects."""
    TOO_MANY_SOCKETS = 4409
    """Too many sockets of this user: the client polls and tries again after 5 min."""
    OTHER_USER = 4410
    """The session has ended or belongs to someone else: the client drops its state and asks again who it is."""
    OLD_DIALECT = 4412
    """This dialect is no longer spoken: the client polls and says so."""
    TOO_MANY_FRAMES = 4429
    """Too many or too large frames: the client polls and tries again after 60 s."""
    NO_BROKER = 4503
    """No broker: the client waits, and polls after three times."""


class LayerMessage(TypedDict):
    """What travels through the channel layer into a group, as msgpack.

    ``type`` and ``data`` are CATMAID's own, so its hand-made publishing reaches our sockets.
    """

    type: str
    group: NotRequired[str]
    data: NotRequired[str | None]
    """The frame for plain sockets, as JSON text; missing or ``None``: they don't get it."""
    v1: NotRequired[str]
    """The frame for ``catmaid-notify.v1`` where it differs."""
    id: NotRequired[int]
    """Primary key of the stored message that this frame shows."""
    ended: NotRequired[str]
    """Instead of a frame: close the sockets of the session with this hash, or `ALL_SESSIONS`."""
    replaced: NotRequired[str]
    """Instead of a frame, in `EVERYONE`: the browser of the session with this hash has another one now."""
    check: NotRequired[bool]
    """Instead of a frame: the user was changed; see whether they are still signed in."""
    recheck: NotRequired[bool]
    """Instead of a frame: ask again whether these sockets may follow what they follow."""
    session: NotRequired[str]
    """Only the sockets of the session with this hash are meant."""
    to: NotRequired[list[str]]
    """In `EVERYONE`: the groups that are meant; missing: all sockets."""


LAYER_TYPE: Final = "user.message"
CONTROL_KEYS: Final = frozenset({"ended", "replaced", "check", "recheck"})
"""Keys of layer messages that carry an order to the hub instead of a frame."""
ALL_SESSIONS: Final = "*"
"""In place of the hash of a session that has ended: nobody can say which one it is."""


EVERYONE: Final = "catmaid-notify-everyone"
"""The group that each process with sockets is in."""


def user_key(pk: object) -> str:
    """Return the primary key of a user as clients see it."""
    return str(pk)


def user_group(pk: object) -> str:
    """Return the name of the group of the user with primary key ``pk``.

    Injective and ASCII: integers give CATMAID's ``updates-<id>``, everything else is written in hexadecimal,
    long keys as their SHA-256, since Channels allows names below 100 characters only.
    """
    if isinstance(pk, int) and not isinstance(pk, bool):
        return f"updates-{pk}"
    return f"updates-{_ascii(str(pk))}"


def topic_group(topic: str) -> str:
    """Return the name of the group of a topic, injective and ASCII, and never that of a user."""
    return f"topic-{_ascii(topic)}"


def _ascii(name: str) -> str:
    raw = name.encode("utf-8", "surrogatepass")
    return f"x{raw.hex()}" if len(raw) <= 40 else f"h{hashlib.sha256(raw).hexdigest()}"


def to_json(value: object, *, what: str) -> str:
    """Return ``value`` as compact JSON that survives UTF-8.

    Raises:
        InvalidEvent: a part of it is not serialisable (lone surrogates, NaN, bytes, a recursion ...).
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), cls=DjangoJSONEncoder)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"{what} can't be written as JSON: {error}") from error
    return text


def frame(event: str, payload: Any = None, **extra: Any) -> str:
    """Return one frame as JSON text: ``event``, ``payload`` and what else is given (``id``, ``topic``, ``ref``)."""
    return to_json({"event": event, "payload": payload, **extra}, what=f"The payload of event {str(event)!r}")


def is_name(name: object, length_max: int) -> bool:
    """Return whether this is a string of 1 to so many printable characters."""
    return isinstance(name, str) and 0 < len(name) <= length_max and name.isprintable()


def check_event_name(event: object, *, to_users: bool = False) -> str:
    """Return ``event`` if a site may send it, else raise `InvalidEvent`; ``to_users``: it goes into no topic."""
    if not isinstance(event, str) or not is_name(event, EVENT_LENGTH_MAX):
        raise InvalidEvent(
            f"An event's name must be a string of 1 to {EVENT_LENGTH_MAX} printable characters, not {event!r}."
        )
    if event in RESERVED_EVENTS and not (to_users and event in FREE_TO_USERS):
        raise InvalidEvent(f"The event name {event!r} is reserved; take another one.")
    return event

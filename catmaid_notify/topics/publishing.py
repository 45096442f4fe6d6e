"""Publishing into topics: events for all pages that follow, at most once."""

from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from catmaid_notify import protocol, topics
from catmaid_notify.events import checked_frame, send_later
from catmaid_notify.exceptions import InvalidEvent
from catmaid_notify.push import push
from catmaid_notify.topics import last_values
from catmaid_notify.types import JSON


@sensitive_variables()
def publish(topic: str, event: str, payload: JSON = None, *, sender: str = "", on_commit: bool = True) -> None:
    """Send an event to all pages that follow a topic, after commit and at most once.

    A rolled-back transaction sends nothing. The push never raises and never waits. If the topic keeps its last value,
    the event is also stored, as a part of the caller's transaction, for pages that follow later.

    Args:
        topic: Name of a declared topic, such as ``"sheet:42"``.
        event: Name of the event, 1 to 100 printable characters; none of `protocol.Event`.
        payload: The event's data. With its envelope it has at most ``CATMAID_NOTIFY_PAYLOAD_BYTES_MAX`` bytes as JSON.
        sender: Id of the page that caused the event, such as ``notifier.id`` of the browser client, so that the page
            can ignore its own change; at most 100 printable characters, empty for none.
        on_commit: ``False`` sends at once, even if the transaction is rolled back later.

    Raises:
        UnknownTopic: no ``topics.py`` declares the topic, or the name is not valid.
        InvalidEvent: the event's name or ``sender`` is not valid, or the payload is not JSON or too large.
        django.db.Error: the database failed to store the last value.
    """
    declaration = topics.find(topic).declaration
    if sender and not protocol.is_name(sender, protocol.SENDER_LENGTH_MAX):
        raise InvalidEvent(
            f"A sender must be a string of up to {protocol.SENDER_LENGTH_MAX} printable characters, not {sender!r:.99}."
        )
    extra = {"topic": topic, **({"sender": sender} if sender else {})}
    frame = checked_frame(protocol.check_event_name(event), payload, **extra)
    if declaration.keep_seconds:
        version = last_values.keep(topic, event, payload, sender=sender, seconds=declaration.keep_seconds)
        frame = protocol.frame(event, payload, **extra, version=version)
    message: protocol.LayerMessage = {"type": protocol.LAYER_TYPE, "v1": frame}
    if on_commit:
        send_later(protocol.topic_group(topic), message)
    else:
        push(protocol.topic_group(topic), message)

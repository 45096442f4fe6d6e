"""Publishing into topics: events that are not stored, for whoever follows; at most once."""

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
    frame = checked_frame(protocol.check_event_name(event), payload, **extra)
    if declaration.keep_seconds:
        version = last_values.keep(topic, event, payload, sender=sender, seconds=declaration.keep_seconds)
        frame = protocol.frame(event, payload, **extra, version=version)
    message: protocol.LayerMessage = {"type": protocol.LAYER_TYPE, "v1": frame}
    if on_commit:
        send_later(protocol.topic_group(topic), message)
    else:
        push(protocol.topic_group(topic), message)

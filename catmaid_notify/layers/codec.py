"""Wire format of channel-layer messages: a map that includes its receiver, as channels_rabbitmq writes it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

GROUP_KEY: Final = "__asgi_group__"
CHANNEL_KEY: Final = "__asgi_channel__"
BYTES_MAX: Final = 1_048_576
"""Largest encoded message, in bytes. The channel layer specification asks for at least this much."""


class Undecodable(Exception):
    """The bytes from the broker are not a channel-layer message."""


class GroupMessage(dict[str, Any]):
    """A received message that knows its group; equal to the plain dictionary that was sent."""

    group: str = ""
    """Name of the group; empty for a message to a single channel."""

    def copied(self) -> GroupMessage:
        """Return a copy that another receiver may change."""
        copy = GroupMessage(self)
        copy.group = self.group
        return copy


class Codec:
    """Encodes and decodes messages with the pair of functions in ``CONFIG``."""

    def __init__(self, serialize: Callable[[dict[str, Any]], bytes], deserialize: Callable[[bytes], Any]) -> None:
        self._serialize = serialize
        self._deserialize = deserialize

    def pack(self, key: str, receiver: str, message: Mapping[str, Any]) -> bytes:
        """Return the bytes of ``message`` for the group or channel ``receiver``.

        Raises:
            TypeError, ValueError, OverflowError: ``serialize`` can't encode a part of the message.
        """
        return self._serialize({**message, key: receiver})

    def unpack(self, body: bytes) -> tuple[str, str, GroupMessage]:
        """Return (`GROUP_KEY` or `CHANNEL_KEY`, receiver, message).

        Raises:
            Undecodable: the bytes are not a channel-layer message.
        """
        try:
            message = self._deserialize(body)
        except Exception as error:  # noqa: BLE001 - anybody may have sent these bytes, and `deserialize` may be a site's
            raise Undecodable(f"deserialize failed ({type(error).__name__})") from None
        if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
            raise Undecodable("it is not a map with string keys")
        found = [key for key in (GROUP_KEY, CHANNEL_KEY) if key in message]
        if len(found) != 1:
            raise Undecodable(f"it must have exactly one of the keys {GROUP_KEY} and {CHANNEL_KEY}")
        receiver = message.pop(found[0])
        if not isinstance(receiver, str):
            raise Undecodable(f"its {found[0]} is not a string")
        return found[0], receiver, GroupMessage(message)

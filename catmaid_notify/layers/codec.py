"""The bytes of a message in the broker: a map with its receiver in it, as channels_rabbitmq writes it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

GROUP_KEY: Final = "__asgi_group__"
CHANNEL_KEY: Final = "__asgi_channel__"
BYTES_MAX: Final = 1_048_576
"""Size of a message; what the channel layer specification asks for at least."""


class Undecodable(Exception):
    """What came from the broker is no message of a channel layer."""


class GroupMessage(dict[str, Any]):
    """A message that came through a group, and which one; equal to the plain dictionary that was sent."""

    group: str = ""

    def copied(self) -> GroupMessage:
        """Return a copy for another receiver, who may change it."""
        copy = GroupMessage(self)
        copy.group = self.group
        return copy


class Codec:
    """Messages to bytes and back, by a pair of functions."""

    def __init__(self, serialize: Callable[[dict[str, Any]], bytes], deserialize: Callable[[bytes], Any]) -> None:
        self._serialize = serialize
        self._deserialize = deserialize

    def pack(self, key: str, receiver: str, message: Mapping[str, Any]) -> bytes:
        """Return the bytes of ``message`` for the group or channel ``receiver``.

        Raises:
            TypeError, ValueError, OverflowError: there is no form for a part of the message.
        """
        return self._serialize({**message, key: receiver})

    def unpack(self, body: bytes) -> tuple[str, str, GroupMessage]:
        """Return (`GROUP_KEY` or `CHANNEL_KEY`, receiver, message).

        Raises:
            Undecodable: these bytes hold no such message.
        """
        try:
            message = self._deserialize(body)
        except Exception as error:  # noqa: BLE001 - whatever a function makes of bytes that anybody may have sent
            raise Undecodable(f"can't be read ({type(error).__name__})") from None
        if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
            raise Undecodable("not a map with string keys")
        found = [key for key in (GROUP_KEY, CHANNEL_KEY) if key in message]
        if len(found) != 1:
            raise Undecodable(f"exactly one of {GROUP_KEY} and {CHANNEL_KEY} is needed")
        receiver = message.pop(found[0])
        if not isinstance(receiver, str):
            raise Undecodable(f"{found[0]} is not a string")
        return found[0], receiver, GroupMessage(message)

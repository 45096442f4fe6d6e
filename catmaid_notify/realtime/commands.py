"""Client frames: rate and size limits, pings, topic requests; and the `hello` frame."""

from __future__ import annotations

import json
import time
from typing import Any

from catmaid_notify import __version__
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import InvalidEvent
from catmaid_notify.protocol import Close, Event, frame
from catmaid_notify.realtime.socket import Socket, size_of
from catmaid_notify.realtime.subscriptions import SubscriptionManager


class CommandHandler:
    """Handles the frames that a client sends through one socket."""

    def __init__(self, socket: Socket, subscriptions: SubscriptionManager) -> None:
        self._socket = socket
        self._subscriptions = subscriptions
        self._frames = 0
        self._frames_since = time.monotonic()

    def handle(self, event: dict[str, Any]) -> None:
        """Handle a ``websocket.receive`` event. Frames of plain clients count for the limits and are ignored."""
        if self._socket.is_closing:
            return
        if self._is_too_much(event):
            self._socket.close(Close.TOO_MANY_FRAMES)
        elif self._socket.is_v1:
            self._handle_frame(_parse(event.get("text")))

    def _handle_frame(self, received: dict[str, Any]) -> None:
        event, payload = received.get("event"), received.get("payload")
        nonce = payload.get("nonce") if isinstance(payload, dict) else None
        try:
            if event == Event.PONG:
                self._socket.pong(nonce)
            elif event == Event.PING:
                self._socket.push(frame(Event.PONG, {"nonce": nonce if isinstance(nonce, str) else ""}))
            elif event in (Event.SUBSCRIBE, Event.UNSUBSCRIBE, Event.PUBLISH):
                asked = (received.get("topic"), received.get("ref"), payload)
                is_within = self._subscriptions.submit(self._socket, Event(event), *asked)
                # A page that connects again subscribes to all its topics at once. Those frames count for no limit.
                self._frames -= is_within
        except InvalidEvent:
            pass  # the answer can't repeat `ref`, `topic` or `nonce`: JSON takes no lone surrogates

    def _is_too_much(self, event: dict[str, Any]) -> bool:
        now = time.monotonic()
        if now - self._frames_since >= 60:
            self._frames, self._frames_since = 0, now
        self._frames += 1
        size = len(event.get("bytes") or b"") or size_of(event.get("text") or "")
        return bool(size > conf.FRAME_BYTES_MAX or self._frames > conf.FRAMES_PER_MINUTE)


def hello(key: str) -> str:
    """Return the `hello` frame: the client's user, intervals in milliseconds, the version.

    Args:
        key: `protocol.user_key` of the user.
    """
    return frame(
        Event.HELLO,
        {
            "user": key,
            "ping_ms": int(conf.PING_SECONDS * 1000),
            "poll_ms": int(conf.POLL_SECONDS * 1000),
            "sync_ms": int(conf.LIVE_SYNC_SECONDS * 1000),
            "version": __version__,
        },
    )


def _parse(text: Any) -> dict[str, Any]:
    """Parse a frame of the v1 dialect; return an empty dictionary if it is not a JSON object."""
    try:
        received = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return received if isinstance(received, dict) else {}

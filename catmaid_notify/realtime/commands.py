"""What a client says: how much it may, and the answers to frames of our own dialect."""

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
    """Acts on what comes through one socket."""

    def __init__(self, socket: Socket, subscriptions: SubscriptionManager) -> None:
        self._socket = socket
        self._subscriptions = subscriptions
        self._frames = 0
        self._frames_since = time.monotonic()

    def handle(self, event: dict[str, Any]) -> None:
        """Take a ``websocket.receive`` event. What plain clients send counts, and is ignored."""
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
                self._frames -= is_within  # a socket may ask for all its topics at once, on top of its other frames
        except InvalidEvent:
            pass  # something that JSON can't repeat, such as half a surrogate

    def _is_too_much(self, event: dict[str, Any]) -> bool:
        now = time.monotonic()
        if now - self._frames_since >= 60:
            self._frames, self._frames_since = 0, now
        self._frames += 1
        size = len(event.get("bytes") or b"") or size_of(event.get("text") or "")
        return bool(size > conf.FRAME_BYTES_MAX or self._frames > conf.FRAMES_PER_MINUTE)


def hello(key: str) -> str:
    """The greeting: who the server takes the client for, and its intervals."""
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
    """Return a frame of our own dialect; an empty one where it is none, which counts for nothing."""
    try:
        received = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return received if isinstance(received, dict) else {}

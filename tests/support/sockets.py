"""WebSocket client without a browser, for both dialects of /channels/updates/."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUBPROTOCOL = "catmaid-notify.v1"


class Client:
    """An open socket. It answers the server's pings, and keeps every frame in ``frames``."""

    def __init__(self, connection: ClientConnection, *, pong: bool = True) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []
        self._pong = pong

    def send(self, event: str, payload: Any = None, **others: Any) -> None:
        """Send a frame; ``others`` are further fields, such as ``topic`` and ``ref``."""
        self.connection.send(json.dumps({"event": event, "payload": payload, **others}))

    def receive(self, *, timeout: float = 10) -> dict[str, Any]:
        """Return the next frame, pings included, within ``timeout`` seconds.

        Raises:
            TimeoutError: no frame came.
            ConnectionClosed: of websockets, with the server's code in ``rcvd.code``.
        """
        frame: dict[str, Any] = json.loads(self.connection.recv(timeout))
        self.frames.append(frame)
        if self._pong and frame["event"] == "ping":
            self.send("pong", frame["payload"])
        return frame

    def wait_for(self, event: str, *, timeout: float = 10) -> dict[str, Any]:
        """Return the next frame with that event, skipping all others."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                frame = self.receive(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                seen = [frame["event"] for frame in self.frames]
                raise AssertionError(f"No {event!r} in {timeout} s; all that came: {seen}") from None
            if frame["event"] == event:
                return frame

    def none_for(self, event: str, *, seconds: float) -> None:
        """Fail if a frame with that event comes within ``seconds``."""
        try:
            frame = self.wait_for(event, timeout=seconds)
        except AssertionError:
            return
        raise AssertionError(f"No {event!r} was to come, but there was {frame}")

    def close_code(self, *, timeout: float = 10) -> int:
        """Return the code with which the server closes the socket within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.receive(timeout=max(0.0, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


@contextlib.contextmanager
def socket(
    url: str,
    *,
    origin: str | None,
    cookie: str = "",
    headers: Mapping[str, str] | None = None,
    v1: bool = True,
    pong: bool = True,
    **options: Any,
) -> Iterator[Client]:
    """Open a WebSocket. ``v1`` chooses the dialect; without ``pong``, pings are not answered."""
    with connect(
        url,
        origin=Origin(origin) if origin else None,
        subprotocols=[Subprotocol(SUBPROTOCOL)] if v1 else None,
        additional_headers={**({"Cookie": cookie} if cookie else {}), **(headers or {})},
        proxy=None,  # a proxy of the environment must not be used for loopback
        open_timeout=10,
        close_timeout=2,
        **options,
    ) as connection:
        yield Client(connection, pong=pong)

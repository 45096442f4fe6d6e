"""Test doubles for the surroundings of the package: the client of an ASGI server, and a channel layer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from catmaid_notify.protocol import EVERYONE, SUBPROTOCOL
from catmaid_notify.realtime.consumers import UpdatesConsumer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from catmaid_notify.models import Message

PATIENCE = 5.0
"""Seconds after which an expected event counts as missing."""

HOST = b"testserver"
ORIGIN = b"http://testserver"


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until ``condition`` is true, for states without a notification."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)


class Page:
    """Peer of one `UpdatesConsumer`: acts as a browser and an ASGI server, without either.

    In contrast to the communicators of Channels, it does not change the closing of database connections.
    """

    def __init__(
        self,
        *,
        user: Any = None,
        cookie: str = "",
        v1: bool = True,
        subprotocols: Iterable[str] | None = None,
        headers: Iterable[tuple[bytes, bytes]] | None = None,
        send: Callable[[dict[str, Any]], Awaitable[None]] | None = None,
        application: Any = None,
        path: str = "/channels/updates/",
    ) -> None:
        if headers is None:
            headers = [(b"host", HOST), (b"origin", ORIGIN)]
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "headers": [*headers, *([(b"cookie", cookie.encode("latin-1"))] if cookie else [])],
            "subprotocols": list(subprotocols if subprotocols is not None else [SUBPROTOCOL] if v1 else []),
        }
        if user is not None:  # as a middleware of the site does
            self.scope["user"] = user
        self.received: list[dict[str, Any]] = []
        """Events of the consumer, in order."""
        self._inbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._replacement = send
        self._application = application or UpdatesConsumer.as_asgi()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> Page:
        """Do the handshake, and return when the consumer has accepted; fail if it refuses."""
        accepted = await self.shake_hands()
        assert accepted["type"] == "websocket.accept", accepted
        return self

    async def shake_hands(self) -> dict[str, Any]:
        """Connect, and return the answer of the consumer."""
        self._inbound.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.ensure_future(self._application(self.scope, self._inbound.get, self._send))
        self._task.add_done_callback(lambda _task: self._outbound.put_nowait({"type": "ended"}))
        return await self.event()

    async def live(self) -> Page:
        """Do the handshake and take the hello. From then on the page gets everything that is sent to its user."""
        await self.open()
        assert (await self.frame())["event"] == "hello"
        return self

    async def event(self) -> dict[str, Any]:
        """Return the next ASGI event of the consumer."""
        async with asyncio.timeout(PATIENCE):
            event = await self._outbound.get()
        if event["type"] == "ended" and self._task is not None and not self._task.cancelled():
            self._task.result()  # an error of the consumer fails the test
        return event

    async def frame(self) -> dict[str, Any]:
        """Return the next frame."""
        event = await self.event()
        assert event["type"] == "websocket.send", event
        frame: dict[str, Any] = json.loads(event["text"])
        return frame

    async def close_code(self) -> int:
        """Return the close code of the consumer, skipping frames before it."""
        while True:
            event = await self.event()
            if event["type"] == "websocket.close":
                return int(event.get("code", 1000))
            assert event["type"] != "ended", "The consumer ended without closing its socket."

    async def frames_before(self, nonce: str = "fence") -> list[dict[str, Any]]:
        """Send a ping, and return the frames before its pong: all that the consumer sent until then."""
        self.say("ping", {"nonce": nonce})
        frames: list[dict[str, Any]] = []
        while True:
            frame = await self.frame()
            if frame["event"] == "pong" and frame["payload"] == {"nonce": nonce}:
                return frames
            frames.append(frame)

    def say(self, event: str, payload: Any = None, **others: Any) -> None:
        """Send a frame of the subprotocol ``catmaid-notify.v1``."""
        self.send_text(json.dumps({"event": event, "payload": payload, **others}))

    def send_text(self, text: str) -> None:
        """Send a text frame."""
        self._inbound.put_nowait({"type": "websocket.receive", "text": text})

    def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""
        self._inbound.put_nowait({"type": "websocket.receive", "bytes": data})

    async def heard(self) -> None:
        """Wait until the consumer has handled all frames, for dialects without answers."""
        await until(self._inbound.empty)
        for _ in range(3):
            await asyncio.sleep(0)

    async def leave(self) -> None:
        """Disconnect; fail if the consumer raises or does not end."""
        if self._task is None:
            return
        self._inbound.put_nowait({"type": "websocket.disconnect", "code": 1001})
        task, self._task = self._task, None
        async with asyncio.timeout(PATIENCE):
            await task

    async def _send(self, event: dict[str, Any]) -> None:
        self.received.append(event)
        if self._replacement is not None:
            await self._replacement(event)
        self._outbound.put_nowait(event)


async def http(application: Any, path: str, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    """Request a path of an ASGI application; return status, headers and body."""
    sent: list[dict[str, Any]] = []
    request = [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        if not request:
            await asyncio.Event().wait()  # the client stays connected
        return request.pop()

    async def send(answer: dict[str, Any]) -> None:
        sent.append(answer)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [(b"host", HOST)]}
    await application(scope, receive, send)
    start, *parts = sent
    return start["status"], dict(start["headers"]), b"".join(part.get("body", b"") for part in parts)


class SpyLayer:
    """Channel layer whose calls a test can see, delay and fail. Use its path as BACKEND."""

    def __init__(self, **_config: Any) -> None:
        self.calls: list[tuple[str, str]] = []
        """Method name and group of each call."""
        self.open = asyncio.Event()
        """Event that lets calls proceed; while it is cleared, they wait."""
        self.open.set()
        self.error: BaseException | None = None
        """Exception that each call raises."""
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._listeners: list[Callable[[], None]] = []
        self._changed = asyncio.Event()

    async def new_channel(self) -> str:
        await self._called("new_channel", "")
        return "specific.spy!1"

    async def group_add(self, group: str, channel: str) -> None:
        await self._called("group_add", group)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._called("group_discard", group)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._called("group_send", group)

    async def receive(self, channel: str) -> Any:
        received = await self._arrived.get()
        if isinstance(received, BaseException):
            raise received
        return received

    def on_connected(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    # For tests

    def arrive(self, message: Any) -> None:
        """Deliver a message from the broker, or raise an exception in receive()."""
        self._arrived.put_nowait(message)

    def reconnected(self) -> None:
        """Report that the connection to the broker is back."""
        for listener in self._listeners:
            listener()

    def count(self, name: str) -> int:
        """Return the number of calls of a method."""
        return sum(called == name for called, _group in self.calls)

    async def called(self, name: str, times: int = 1) -> None:
        """Wait until a method was called ``times`` times."""
        async with asyncio.timeout(PATIENCE):
            while self.count(name) < times:
                self._changed.clear()
                await self._changed.wait()

    async def _called(self, name: str, group: str) -> None:
        if group != EVERYONE:  # every hub joins that group
            self.calls.append((name, group))
        self._changed.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error


class Pushes(list[tuple[str, dict[str, Any]]]):
    """Groups and messages that were handed to the channel layer, in order."""

    @property
    def groups(self) -> list[str]:
        return [group for group, _message in self]

    @property
    def ids(self) -> list[int]:
        return [message["id"] for _group, message in self if "id" in message]

    @property
    def v1(self) -> list[dict[str, Any]]:
        """Frames for sockets of the subprotocol."""
        return [json.loads(message.get("v1") or message["data"]) for _group, message in self]

    @property
    def plain(self) -> list[dict[str, Any] | None]:
        """Frames for plain sockets; ``None``: none."""
        return [json.loads(message["data"]) if message.get("data") else None for _group, message in self]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the frames of one event for sockets of the subprotocol."""
        return [frame for frame in self.v1 if frame["event"] == name]


def shown(frames: Iterable[dict[str, Any]]) -> list[int]:
    """Return the ids of the stored messages in these frames."""
    return [frame["payload"]["message_id"] for frame in frames if frame["event"] == "new-message"]


def layer_message(message: Message) -> dict[str, Any]:
    """Return the channel layer's message for a stored message."""
    return dict(message.as_layer_message())

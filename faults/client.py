"""Protocol client without a browser: it keeps a socket, syncs when the socket is up, and polls without one.

It is written from the protocol and not from the JavaScript, with the same timings (`faults.timings`). So a mistake in
one of the two clients shows as a difference between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Origin, Subprotocol

from faults import fetching
from tests.support.sockets import SUBPROTOCOL

CROWDED, THROTTLED = (4409, 4412), (4429,)
SIGNED_OUT, OTHER_USER = 4401, 4410
Shown = Callable[[str, str], None]
"""Called with the title of a message and its way: "push" or "sync"."""


class Client:
    """One viewer. ``state`` is connecting, live, waiting, polling or signedout, as in the browser client."""

    def __init__(
        self,
        name: str,
        *,
        port: int,
        cookie: str,
        timings: Mapping[str, Any],
        shown: Shown,
        changed: Callable[[str], None] = lambda _: None,
        seed: object = None,
    ) -> None:
        self.name = name
        self.port = port
        self.state = "connecting"
        self.code: int | None = None
        """Close code of the last socket."""
        self.frames = 0
        """Number of received frames, pings included."""
        self.pushes: list[float] = []
        """Times of messages that came by the socket, including known ones."""
        self.last_sync = -1e9
        self.syncs: list[float] = []
        """Times of requests to the inbox."""
        self.live_since = -1e9
        """Time at which the latest socket was ready: after its hello and the sync that follows."""
        self.connects: list[float] = []
        self._cookie = cookie
        self._timings = timings
        self._shown = shown
        self._changed = changed
        self._random = random.Random(str(seed))
        self._ids: set[int] = set()
        self._socket: ClientConnection | None = None
        self._up = False
        self._synced = asyncio.Event()
        self._wanted = False
        self._wake = asyncio.Event()
        self._failures = 0
        self._since = -1e9
        self._etag = ""
        self._begin = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start, as a loaded page does."""
        self._tasks = [asyncio.ensure_future(self._connect_forever()), asyncio.ensure_future(self._sync_forever())]

    async def stop(self) -> None:
        """Stop, as a closed tab does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ms(self, name: str) -> float:
        return float(self._timings[name]) / 1000

    def _set(self, state: str) -> None:
        if state == self.state:
            return
        if self.state == "live":
            self._since = time.monotonic()
        self.state = state
        self._changed(state)
        self._wake.set()

    # -- The socket

    async def _connect_forever(self) -> None:
        failures, probes, trouble_since = 0, 0, time.monotonic()
        while self.state != "signedout":
            lived = await self._connection(trouble_since)
            if lived >= self._ms("settleMs"):
                failures, probes, trouble_since = 0, 0, time.monotonic()
            failures += 1
            if self.code == SIGNED_OUT:
                self._set("signedout")
                return
            away = self._asked_to_stay_away()
            overdue = time.monotonic() - trouble_since >= self._ms("giveUpMs")
            if away or failures >= self._timings["giveUpFailures"] or overdue or self.state == "polling":
                self._poll()
                wait = away or self._probe_delay(probes)
                probes += 1
            else:
                is_silent = self.code is None and self.state == "live"
                self._set("waiting")
                if is_silent:
                    self._want_sync()  # messages sent in the meantime have not arrived
                cap = min(self._ms("reconnectCapMs"), self._ms("reconnectBaseMs") * 2 ** (failures - 1))
                wait = self._ms("reconnectFloorMs") + self._random.random() * cap
                self._poll_at(trouble_since + self._ms("giveUpMs"))
            await asyncio.sleep(wait)

    def _asked_to_stay_away(self) -> float:
        if self.code in CROWDED:
            return self._ms("crowdedMs")
        return self._ms("throttledMs") if self.code in THROTTLED else 0

    def _probe_delay(self, probes: int) -> float:
        steps = self._timings["probeMs"]
        return float(steps[min(probes, len(steps) - 1)]) / 1000 * (0.75 + 0.5 * self._random.random())

    def _poll(self) -> None:
        if self.state != "polling":
            self._set("polling")
            self._want_sync()

    def _poll_at(self, when: float) -> None:
        def give_up() -> None:
            if self.state in ("waiting", "connecting"):
                self._poll()

        asyncio.get_running_loop().call_later(max(0, when - time.monotonic()), give_up)

    async def _connection(self, trouble_since: float) -> float:
        """Hold one socket until it closes; return the seconds for which it was up."""
        began, self.code = time.monotonic(), None
        self.connects.append(began)
        if self.state == "waiting":
            self._set("connecting")
        if self.state == "connecting":
            self._poll_at(trouble_since + self._ms("giveUpMs"))
        try:
            async with asyncio.timeout(self._ms("helloTimeoutMs")) as until_hello:
                socket = await connect(
                    f"ws://127.0.0.1:{self.port}/channels/updates/",
                    origin=Origin(f"http://127.0.0.1:{self.port}"),
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    additional_headers={"Cookie": self._cookie},
                    open_timeout=None,
                    ping_interval=None,  # browsers send no pings
                    close_timeout=0.2,
                    proxy=None,
                )
                self._socket = socket
                hello = await self._next(socket)
                while hello["event"] != "hello":
                    hello = await self._next(socket)
                until_hello.reschedule(None)
            await self._live(socket)
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else 1006
        except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, EOFError):
            pass  # a browser gives scripts no further details either
        finally:
            up, self._up = self._up, False
            if self._socket is not None:
                self._socket.transport.abort()
                self._socket = None
        return time.monotonic() - self.live_since if up and self.live_since >= began else 0

    async def _next(self, socket: ClientConnection) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await socket.recv())
        self.frames += 1
        if frame["event"] == "ping":
            await socket.send(json.dumps({"event": "pong", "payload": frame["payload"]}))
        return frame

    async def _live(self, socket: ClientConnection) -> None:
        self._up = True
        self._synced.clear()
        self._want_sync()
        going_live = asyncio.ensure_future(self._go_live())
        try:
            while True:
                frame = await self._frame_or_probe(socket)
                if frame["event"] == "new-message":
                    self.pushes.append(time.monotonic())
                    self._take(frame["payload"]["message"], "push")
        finally:
            going_live.cancel()

    async def _go_live(self) -> None:
        await self._synced.wait()
        self.live_since = time.monotonic()
        if self.state == "polling":
            await asyncio.sleep(self._ms("settleMs"))
        self._set("live")

    async def _frame_or_probe(self, socket: ClientConnection) -> dict[str, Any]:
        silence = self._ms("pingMs") + self._ms("silenceGraceMs")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(silence):
                return await self._next(socket)
        async with asyncio.timeout(self._ms("probeAnswerMs")):
            await socket.send(json.dumps({"event": "ping", "payload": {"nonce": "c"}}))
            return await self._next(socket)

    # -- The unread set

    def _want_sync(self) -> None:
        self._wanted = True
        self._wake.set()

    async def _sync_forever(self) -> None:
        first = time.monotonic() + self._ms("firstSyncMs")
        while self.state != "signedout":
            due = first if self.last_sync < 0 else max(self.last_sync, self._since) + self._interval()
            self._wake.clear()
            if not self._wanted:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0, due - time.monotonic())):
                        await self._wake.wait()
                        if not self._wanted:
                            continue
            self._wanted = False
            await self._sync()

    def _interval(self) -> float:
        poll = self._ms("pollMs")
        spread = 1 - 0.1 * self._random.random()
        if self._failures:
            return spread * min(max(self._ms("failureCapMs"), poll), poll * 2.0 ** (self._failures - 1))
        return spread * (self._ms("syncMs") if self.state == "live" else poll)

    async def _sync(self) -> None:
        up_before, self.last_sync = self._up, time.monotonic()
        self.syncs.append(self.last_sync)
        headers = {"Cookie": self._cookie, "Accept": "application/json"}
        if self._etag:
            headers["If-None-Match"] = self._etag
        try:
            answer = await fetching.get(self.port, "/notify/unread", headers, seconds=self._ms("requestTimeoutMs"))
        except (OSError, TimeoutError, ValueError, EOFError):
            self._failures += 1
            return
        if answer.status == 401:
            self._set("signedout")
            return
        if answer.status not in (200, 304):
            self._failures += 1
            return
        self._failures = 0
        if answer.status == 200:
            self._etag = answer.headers.get("etag", "")
            for message in reversed(json.loads(answer.body)["messages"]):
                self._take(message, "sync")
        if up_before:
            self._synced.set()

    def _take(self, message: dict[str, Any], via: str) -> None:
        if message["id"] not in self._ids:
            self._ids.add(message["id"])
            self._shown(message["title"], via)

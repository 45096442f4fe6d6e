"""One mailbox a process: groups on one side, local sockets on the other.

Channels' usual consumer has a channel, a group membership and a task for each socket. The hub owns one channel for all;
the first local socket of a group joins it, the last one leaving lingers, and a frame is encoded once, by its sender.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import weakref
from collections import deque
from collections.abc import Coroutine
from typing import Any

from channels.layers import channel_layers
from django.conf import settings

from catmaid_notify import publish, reconcile
from catmaid_notify.aio import being_cancelled
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.guard import Guard
from catmaid_notify.protocol import LAYER_TYPE, Close
from catmaid_notify.sockets import Socket, size_of

logger = logging.getLogger("catmaid_notify")

AGE_SLACK_SECONDS = 1.0
"""How much older than its socket a message may seem: databases round, and losing one is worse than showing it twice."""
RETRY_SECONDS = 2.0
"""How long to wait before the layer is asked again after an error."""

_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def get_hub() -> Hub:
    """Return the hub of the running loop, started at the first call: Daphne has no lifespan events."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub()
        found.start()
    return found


class _Room:
    """The local sockets of one group."""

    __slots__ = ("joined", "leave", "pk", "pushed", "sockets")

    def __init__(self, pk: Any, joined: asyncio.Future[None]) -> None:
        self.pk = pk
        self.joined = joined
        """Done when the layer sends us what goes to the group."""
        self.sockets: set[Socket] = set()
        self.pushed: dict[int, float] = {}
        """Ids of the stored messages that went to this group here, and when; what reconciling needs not push again."""
        self.leave: asyncio.TimerHandle | None = None


class Hub:
    """Connects one loop's sockets with the channel layer. All methods belong to that loop."""

    def __init__(self) -> None:
        self._layer: Any = None
        self._channel = ""
        self._channel_lock = asyncio.Lock()
        self._rooms: dict[str, _Room] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._duties: list[asyncio.Task[None]] = []
        self._reconcile_now = asyncio.Event()
        self._due: deque[tuple[float, Socket]] = deque()
        self._alive: set[Socket] = set()
        self._guard = Guard(self._alive)
        self.reconciler = reconcile.Reconciler()

    def start(self) -> None:
        """Start receiving, reconciling, pinging and checking."""
        configured = conf.CHANNEL_LAYER in getattr(settings, "CHANNEL_LAYERS", {})
        self._layer = channel_layers[conf.CHANNEL_LAYER] if configured else None
        publish.set_local_hub(asyncio.get_running_loop(), self.deliver)
        duties = (
            self._receive_forever(),
            self._reconcile_forever(),
            self._ping_forever(),
            self._guard.run_forever(),
        )
        self._duties = [self._spawn(duty) for duty in duties]
        if hasattr(self._layer, "on_connected"):
            self._layer.on_connected(self._reconcile_now.set)

    @property
    def sockets(self) -> int:
        """Open sockets of this process."""
        return len(self._alive)

    @property
    def is_well(self) -> bool:
        """Whether all tasks of the hub run."""
        return bool(self._duties) and not any(duty.done() for duty in self._duties)

    async def check_layer(self, seconds: float) -> bool:
        """Return whether the channel layer answers within so many seconds."""
        if self._layer is None:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._own_channel()  # else the receiving side of a process that has just begun looks broken
                # A group of our own, so nobody gets what is sent to find out whether sending works.
                await self._layer.group_send("catmaid-notify-health", {"type": "catmaid.notify.health"})
        except Exception as error:  # noqa: BLE001 - layers raise whatever their driver does
            logger.debug("Channel layer not well: reason=%s: %s", type(error).__name__, error)
            return False
        return not getattr(self._layer, "state", "")

    # Sockets

    async def join(self, socket: Socket) -> None:
        """Let a socket get what goes to its group; returns once the layer has the membership.

        Raises:
            BrokerUnavailable: the layer did not answer in time.
        """
        room = self._rooms.get(socket.group)
        if room is None or (room.joined.done() and room.joined.exception() is not None):
            joined = asyncio.ensure_future(self._join_layer(socket.group))
            room = self._rooms[socket.group] = _Room(socket.sign_in.user_pk, joined)
        if room.leave is not None:
            room.leave.cancel()
            room.leave = None
        room.sockets.add(socket)
        self._alive.add(socket)
        self._due.append((time.monotonic() + conf.PING_SECONDS, socket))
        self._guard.watch(socket)
        try:
            # Shielded: others may wait for the same membership.
            await asyncio.shield(room.joined)
        except BaseException:
            self.leave(socket)
            raise

    def leave(self, socket: Socket) -> None:
        """Forget a socket; its group is left some seconds after the last one, so that a reload costs nothing."""
        self._alive.discard(socket)
        socket.gone()
        room = self._rooms.get(socket.group)
        if room is None:
            return
        room.sockets.discard(socket)
        if not room.sockets and room.leave is None:
            loop = asyncio.get_running_loop()
            room.leave = loop.call_later(conf.GROUP_LINGER_SECONDS, self._leave_layer, socket.group, room)

    def count(self, group: str) -> int:
        """Return how many sockets of this group are open here."""
        room = self._rooms.get(group)
        return len(room.sockets) if room else 0

    async def _join_layer(self, group: str) -> None:
        if self._layer is None:
            return
        try:
            async with asyncio.timeout(conf.CONNECT_SECONDS):
                await self._layer.group_add(group, await self._own_channel())
        except BrokerUnavailable:
            raise
        except Exception as error:
            raise BrokerUnavailable(
                f"The channel layer can't join {group!r}: {type(error).__name__}: {error}"
            ) from error

    async def _own_channel(self) -> str:
        """Return the hub's channel, made by whoever needs it first; layers may take their time to make one."""
        async with self._channel_lock:
            if not self._channel:
                async with asyncio.timeout(conf.CONNECT_SECONDS):
                    self._channel = await self._layer.new_channel()
            return self._channel

    def _leave_layer(self, group: str, room: _Room) -> None:
        if room.sockets or self._rooms.get(group) is not room:
            return
        del self._rooms[group]
        if self._layer is not None and self._channel:
            self._spawn(self._discard(group))

    async def _discard(self, group: str) -> None:
        try:
            async with asyncio.timeout(conf.CONNECT_SECONDS):
                await self._layer.group_discard(group, self._channel)
            if group in self._rooms:  # somebody came meanwhile; the layer may have seen both in the other order
                await self._layer.group_add(group, self._channel)
        except Exception as error:  # noqa: BLE001 - nobody waits; at worst we receive what nobody wants
            logger.debug("Group not left: group=%s reason=%s", group, error)

    # Messages

    def deliver(self, group: str, message: dict[str, Any], *, age: float = 0) -> None:
        """Send a message of the layer to the local sockets of its group.

        What is ``age`` seconds old is not sent to plain sockets that came later: they have asked for what was there
        and would show it twice, while clients of our own dialect drop what they know.
        """
        room = self._rooms.get(group)
        if room is None or self._guard.obey(message, room.sockets):
            return
        data, v1, message_id = message.get("data"), message.get("v1"), message.get("id")
        plain_text = data if isinstance(data, str) else None
        v1_text = v1 if isinstance(v1, str) else plain_text
        if plain_text is None and v1_text is None:
            return
        if isinstance(message_id, int):
            if message_id in room.pushed:
                return  # reconciling was faster than the broker, or the broker delivered twice
            room.pushed[message_id] = time.monotonic()
        # Copied: a socket that is closed meanwhile leaves the set.
        created = time.monotonic() - age + AGE_SLACK_SECONDS if age else math.inf
        plain_size, v1_size = size_of(plain_text or ""), size_of(v1_text or "")
        if max(plain_size, v1_size) > conf.UNACKED_BYTES_MAX // 2:
            # Somebody else's: what is published by this app is much smaller. It would close all sockets of the group.
            logger.warning("Frame dropped, too large: group=%.100r bytes=%d", group, max(plain_size, v1_size))
            return
        for socket in tuple(room.sockets):
            if socket.is_v1:
                if v1_text is not None:
                    socket.push(v1_text, v1_size)
            elif plain_text is not None and created >= socket.opened:
                socket.push(plain_text, plain_size)

    async def _receive_forever(self) -> None:
        if self._layer is None:
            logger.warning("No channel layer %r is configured; pages ask every minute.", conf.CHANNEL_LAYER)
            await asyncio.Event().wait()
        while True:
            try:
                channel = await self._own_channel()
                while True:
                    self._take(await self._layer.receive(channel))
            except (Exception, asyncio.CancelledError) as error:
                if being_cancelled():
                    raise
                logger.warning("Receiving failed, trying again: reason=%s: %s", type(error).__name__, error)
                await asyncio.sleep(RETRY_SECONDS)

    def _take(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("type") != LAYER_TYPE:
            return
        group = getattr(message, "group", "") or message.get("group")
        if isinstance(group, str):
            self.deliver(group, message)

    # Reconciling

    async def _reconcile_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(conf.RECONCILE_SECONDS):
                    await self._reconcile_now.wait()
            except TimeoutError:
                pass
            self._reconcile_now.clear()
            await self._reconcile()

    async def _reconcile(self) -> None:
        rooms = {room.pk: (group, room) for group, room in self._rooms.items() if room.sockets}
        try:
            missed = await self.reconciler.round(list(rooms))
        except Exception as error:  # noqa: BLE001 - a database that is away comes back; the next round looks further back
            logger.warning("Reconciling failed, trying again: reason=%s: %s", type(error).__name__, error)
            return
        pushed = 0
        for message, age in missed:
            group, room = rooms.get(message.user_id, ("", None))
            if room is None or message.pk in room.pushed:
                continue
            pushed += 1
            self.deliver(group, dict(message.as_layer_message()), age=age)
        if pushed:
            logger.info("Reconciled: pushed=%d", pushed)
        oldest = time.monotonic() - self.reconciler.memory_seconds
        for _group, room in rooms.values():
            if room.pushed:
                room.pushed = {pk: at for pk, at in room.pushed.items() if at >= oldest}

    # Signs of life

    async def _ping_forever(self) -> None:
        """Ping each socket once an interval, in the order in which they came; close those that don't answer."""
        pinged: deque[tuple[float, Socket]] = deque()
        while True:
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                _, socket = self._due.popleft()
                if socket in self._alive:
                    socket.ping()
                    self._due.append((now + conf.PING_SECONDS, socket))
                    # Not from `now`, which may be earlier than what the socket compares with.
                    pinged.append((time.monotonic() + conf.PONG_SECONDS, socket))
            while pinged and pinged[0][0] <= now:
                _, socket = pinged.popleft()
                if socket in self._alive and socket.is_overdue:
                    socket.close(Close.SILENT)
            await asyncio.sleep(min(1.0, conf.PING_SECONDS / 4, conf.PONG_SECONDS / 4))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("A task of the hub ended: reason=%r", task.exception(), exc_info=task.exception())

"""Hub: connects all local sockets of an event loop with one channel of the channel layer.

Channels' consumers have a channel, a group membership and a task per socket. The hub has one channel for all sockets.
The first local socket of a group joins it, and it is left some seconds after the last one. The sender encodes a frame
once for all sockets.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from catmaid_notify import push
from catmaid_notify.auth import sessions
from catmaid_notify.conf import conf
from catmaid_notify.protocol import CONTROL_KEYS, EVERYONE, LAYER_TYPE
from catmaid_notify.realtime import reconcile
from catmaid_notify.realtime.groups import LocalGroups
from catmaid_notify.realtime.heartbeat import Heartbeat
from catmaid_notify.realtime.layer_adapters import configured_layer
from catmaid_notify.realtime.presence_writer import PresenceWriter
from catmaid_notify.realtime.revocation import SessionRevalidator
from catmaid_notify.realtime.socket import Socket, size_of
from catmaid_notify.realtime.subscriptions import SubscriptionManager
from catmaid_notify.utils.asyncio import PerLoop, set_within
from catmaid_notify.utils.supervision import Supervisor

logger = logging.getLogger("catmaid_notify")

AGE_SLACK_SECONDS = 1.0
"""Tolerance when ages of messages and sockets are compared: the database's clock and rounding differ from ours.

Losing a message is worse than showing it twice.
"""
SESSIONS_RETRY_SECONDS_MAX = 5.0
"""Longest pause between two tries of the session checks: sockets are served meanwhile."""

_hubs: PerLoop[Hub] = PerLoop()


def get_hub() -> Hub:
    """Return the hub of the running loop. The first call starts it, since Daphne has no lifespan events."""
    return _hubs.get(_started_hub)


def _started_hub() -> Hub:
    hub = Hub()
    hub.start()
    return hub


class Hub:
    """Delivers the channel layer's messages to one loop's sockets. All methods belong to that loop."""

    def __init__(self) -> None:
        self._adapter = configured_layer()
        self._groups = LocalGroups(self._adapter.layer)
        self._duties = Supervisor()
        self._is_receiving = False
        self._reconcile_now = asyncio.Event()
        self._join_again_now = asyncio.Event()
        self._alive: set[Socket] = set()
        self._revalidator = SessionRevalidator(self._alive)
        self._heartbeat = Heartbeat(self._alive)
        self._presence = PresenceWriter()
        self.subscriptions = SubscriptionManager(self._groups, self._presence)
        self.reconciler = reconcile.Reconciler()

    def start(self) -> None:
        """Start the duties: receiving, reconciling, pings, session checks, presence, permission checks."""
        push.set_local_hub(asyncio.get_running_loop(), self.deliver)
        self._duties.start("receiving", self._receive)
        if self._adapter.rejoin_seconds is not None:
            self._duties.start("joining again", self._join_again)
        self._duties.start("reconciling", self._reconcile)
        self._duties.start("pings", self._heartbeat.beat)
        self._duties.start("session checks", self._revalidator.check, retry_seconds_max=SESSIONS_RETRY_SECONDS_MAX)
        self._duties.start("presence", self._presence.write, retry_seconds_max=conf.PRESENCE_SECONDS)
        self._duties.start("permission checks", self.subscriptions.check)
        self._adapter.on_connected(self._reconcile_now.set)

    async def stop(self) -> None:
        """End all duties; the sockets that are open get nothing any more."""
        await self._duties.stop()

    @property
    def sockets(self) -> int:
        """Number of open sockets."""
        return len(self._alive)

    @property
    def failing(self) -> dict[str, str]:
        """Duties that are down and tried again, with the reason of the last failure."""
        return self._duties.failing

    @property
    def is_well(self) -> bool:
        """True while all duties run, also those that fail and are tried again."""
        return self._duties.are_running

    async def check_layer(self, seconds: float) -> bool:
        """Return true if the channel layer takes a message within ``seconds`` and reports no outage."""
        if self._adapter.layer is None:
            return False
        try:
            async with asyncio.timeout(seconds):
                # A process that has just started has no receiving connection yet; without this it would look broken.
                await self._groups.channel()
                # Nobody joins this group, so nobody gets the message.
                await self._adapter.layer.group_send("catmaid-notify-health", {"type": "catmaid.notify.health"})
        except Exception as error:  # noqa: BLE001 - layers raise whatever their driver does
            logger.debug("Channel layer check failed: reason=%s: %s", type(error).__name__, error)
            return False
        return self._adapter.is_connected

    # Sockets

    async def join(self, socket: Socket) -> None:
        """Add a socket to the group of its user; returns when the layer has the membership.

        Raises:
            BrokerUnavailable: the layer failed or did not answer in time. The socket has left the hub then.
        """
        self._alive.add(socket)
        self._presence.add(socket.sign_in.user_pk)
        self._heartbeat.watch(socket)
        self._revalidator.watch(socket)
        try:
            await self._groups.enter(socket, socket.group, pk=socket.sign_in.user_pk)
        except BaseException:
            self.leave(socket)
            raise

    def leave(self, socket: Socket) -> None:
        """Remove a socket and stop sending to it. Removing it twice is harmless."""
        if socket in self._alive:
            self._alive.discard(socket)
            self._presence.remove(socket.sign_in.user_pk)
            self.subscriptions.forget(socket)
        socket.stop_sending()
        self._groups.exit(socket, socket.group)

    def count(self, group: str) -> int:
        """Return the number of local sockets in a group."""
        local_group = self._groups.by_name.get(group)
        return len(local_group.sockets) if local_group else 0

    # Messages

    def deliver(self, group: str, message: dict[str, Any], *, age: float = 0) -> None:
        """Send a message of the layer to the local sockets of its group, or carry out a control message.

        Args:
            group: name of the group.
            message: a `protocol.LayerMessage`. It may come from other code, so any part of it may be malformed.
            age: age of the message in seconds; 0 for one that has just been sent. Plain sockets that were opened after
                the message was created don't get it: their page has fetched it, and would show it twice. Clients of the
                v1 dialect drop messages that they know.
        """
        sockets = self._recipients(group, message)
        if not sockets:
            return
        if not CONTROL_KEYS.isdisjoint(message) and self._handle_control_message(group, message, sockets):
            return
        data, v1, message_id = message.get("data"), message.get("v1"), message.get("id")
        plain_text = data if isinstance(data, str) else None
        v1_text = v1 if isinstance(v1, str) else plain_text
        if plain_text is None and v1_text is None:
            return
        local_group = self._groups.by_name.get(group)
        if isinstance(message_id, int) and local_group is not None:
            if message_id in local_group.pushed:
                return  # reconciling has pushed it before the broker's copy arrived, or it was delivered twice
            local_group.pushed[message_id] = time.monotonic()
        created = time.monotonic() - age + AGE_SLACK_SECONDS if age else math.inf
        plain_size, v1_size = size_of(plain_text or ""), size_of(v1_text or "")
        if max(plain_size, v1_size) > conf.UNACKED_BYTES_MAX // 2:
            # From other code: the frames of this app are much smaller. Sending it would close all sockets of the group.
            logger.warning("Frame dropped, too large: group=%.100r bytes=%d", group, max(plain_size, v1_size))
            return
        for socket in sockets:
            if socket.is_v1:
                if v1_text is not None:
                    socket.push(v1_text, v1_size)
            elif plain_text is not None and created >= socket.opened:
                socket.push(plain_text, plain_size)

    def _handle_control_message(self, group: str, message: dict[str, Any], sockets: Sequence[Socket]) -> bool:
        """Carry out a control message for these sockets; return false if it is malformed."""
        return self._revalidator.handle_control_message(message, sockets) or self.subscriptions.handle_control_message(
            group, message, sockets
        )

    def _recipients(self, group: str, message: dict[str, Any]) -> Sequence[Socket]:
        """Return the sockets that a message is for, as a copy: closing a socket removes it from its group."""
        if group == EVERYONE:
            return self._recipients_in_everyone(message.get("to"))
        local_group = self._groups.by_name.get(group)
        if local_group is None:
            return ()
        session = message.get("session")
        if session is None:
            return tuple(local_group.sockets)
        keys = ((socket, socket.sign_in.session_key) for socket in local_group.sockets)
        return [socket for socket, key in keys if key and sessions.digest(key) == session]

    def _recipients_in_everyone(self, groups: Any) -> Sequence[Socket]:
        if groups is None:
            return tuple(self._alive)
        if not isinstance(groups, list):
            return ()
        local_groups = (self._groups.by_name.get(group) for group in groups if isinstance(group, str))
        return [socket for local_group in local_groups if local_group is not None for socket in local_group.sockets]

    async def _receive(self) -> None:
        """Take one turn of receiving: join the group of everybody, or receive until something fails."""
        if not self._is_receiving:
            channel = await self._groups.channel() if self._adapter.layer else ""
            self._adapter.listen(channel, self._dispatch)
            if self._adapter.layer:
                await self._adapter.layer.group_add(EVERYONE, channel)
            self._is_receiving = True
            return
        try:
            await self._adapter.receive()
        except BaseException:
            self._is_receiving = False
            self._join_again_now.set()  # the layer may have forgotten all groups
            raise

    def _dispatch(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("type") != LAYER_TYPE:
            return
        group = getattr(message, "group", "") or message.get("group")
        if isinstance(group, str):
            self.deliver(group, message)

    async def _join_again(self) -> None:
        """Join all groups when the layer may have forgotten them: after its failures, and before they expire."""
        await set_within(self._join_again_now, self._adapter.rejoin_seconds or math.inf)
        self._join_again_now.clear()
        try:
            await self._groups.join_again(EVERYONE)
        except BaseException:
            self._join_again_now.set()
            raise
        self._reconcile_now.set()  # messages may have been lost while the memberships were

    # Reconciling

    async def _reconcile(self) -> None:
        """Push what the inbox has and this process has not pushed, when a round is due."""
        await set_within(self._reconcile_now, conf.RECONCILE_SECONDS)
        self._reconcile_now.clear()
        local_groups = {local_group.pk: (group, local_group) for group, local_group in self._groups.user_groups()}
        try:
            missed = await self.reconciler.find_missed(list(local_groups))
        except BaseException:
            self._reconcile_now.set()  # the next round looks back to the last one that succeeded
            raise
        pushed = 0
        for message, age in missed:
            group, local_group = local_groups.get(message.user_id, ("", None))
            if local_group is None or message.pk in local_group.pushed:
                continue
            pushed += 1
            self.deliver(group, dict(message.as_layer_message()), age=age)
        if pushed:
            logger.info("Reconciled: pushed=%d", pushed)
        oldest = time.monotonic() - self.reconciler.memory_seconds
        for _group, local_group in local_groups.values():
            if local_group.pushed:
                local_group.pushed = {pk: at for pk, at in local_group.pushed.items() if at >= oldest}

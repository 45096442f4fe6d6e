"""Local members of channel-layer groups, and the memberships of this loop's one channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

from catmaid_notify.conf import conf
from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.realtime.socket import Socket
from catmaid_notify.utils.asyncio import being_cancelled

logger = logging.getLogger("catmaid_notify")


class LocalGroup:
    """The local sockets of one group."""

    __slots__ = ("join_task", "leave_timer", "pk", "pushed", "sockets")

    def __init__(self, pk: Any) -> None:
        self.pk = pk
        """Primary key of the group's user; ``None`` for a topic's group."""
        self.join_task: asyncio.Task[None] | None = None
        """Task that joins the group in the layer; ``None`` once that is done."""
        self.sockets: set[Socket] = set()
        self.pushed: dict[int, float] = {}
        """Stored messages that this process has pushed to the group: primary key → time. Reconciling skips them."""
        self.leave_timer: asyncio.TimerHandle | None = None
        """Timer that leaves the group; set while it has no sockets."""


class LocalGroups:
    """Groups of one loop. The first socket of a group joins it; the group is left some seconds after the last one."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._channel = ""
        self._channel_lock = asyncio.Lock()
        self.by_name: dict[str, LocalGroup] = {}
        """Groups with local sockets, and those that lost the last one within ``GROUP_LINGER_SECONDS``."""
        self._leave_tasks: set[asyncio.Task[None]] = set()

    def user_groups(self) -> Iterator[tuple[str, LocalGroup]]:
        """Yield names and groups of users with local sockets."""
        return (
            (group, local_group)
            for group, local_group in self.by_name.items()
            if local_group.sockets and local_group.pk is not None
        )

    async def enter(self, socket: Socket, group: str, *, pk: Any = None) -> None:
        """Add a socket to a group; returns when the layer has the membership.

        Args:
            socket: open socket of this loop.
            group: name of the group in the layer.
            pk: primary key of the user, if this is a user's group.

        Raises:
            BrokerUnavailable: the layer failed or did not answer in time. The socket is not in the group then.
        """
        local_group = self.by_name.get(group)
        if local_group is None:
            local_group = self.by_name[group] = LocalGroup(pk)
            local_group.join_task = asyncio.get_running_loop().create_task(self._join(group, local_group))
        if local_group.leave_timer is not None:
            local_group.leave_timer.cancel()
            local_group.leave_timer = None
        local_group.sockets.add(socket)
        if local_group.join_task is None:
            return
        try:
            # Shielded: other sockets may wait for the same task.
            await asyncio.shield(local_group.join_task)
        except BaseException:
            self.exit(socket, group)
            raise

    def exit(self, socket: Socket, group: str) -> None:
        """Remove a socket from a group. An empty group is left later, so that a page reload costs no broker calls."""
        local_group = self.by_name.get(group)
        if local_group is None:
            return
        local_group.sockets.discard(socket)
        if not local_group.sockets and local_group.leave_timer is None:
            loop = asyncio.get_running_loop()
            local_group.leave_timer = loop.call_later(
                conf.GROUP_LINGER_SECONDS, self._leave_if_empty, group, local_group
            )

    async def channel(self) -> str:
        """Return the name of this loop's channel, made at the first call.

        Raises:
            Exception: any error of the layer, or `TimeoutError`.
        """
        async with self._channel_lock:
            if not self._channel:
                async with asyncio.timeout(conf.CONNECT_SECONDS):
                    self._channel = await self._layer.new_channel()
            return self._channel

    async def join_again(self, *others: str) -> None:
        """Join all groups again, for layers that forget memberships.

        Args:
            others: further groups to join.

        Raises:
            Exception: any error of the layer, or `TimeoutError`. Some groups may have been joined by then.
        """
        channel = await self.channel()
        for group in (*others, *self.by_name):
            async with asyncio.timeout(conf.CONNECT_SECONDS):
                await self._layer.group_add(group, channel)
            if group not in others and group not in self.by_name:
                # Left during the call. The layer may have handled the leave before the join.
                await self._discard(group)

    async def _join(self, group: str, local_group: LocalGroup) -> None:
        try:
            if self._layer is not None:
                async with asyncio.timeout(conf.CONNECT_SECONDS):
                    await self._layer.group_add(group, await self.channel())
        except (Exception, asyncio.CancelledError) as error:
            if self.by_name.get(group) is local_group:
                del self.by_name[group]
            if isinstance(error, BrokerUnavailable) or being_cancelled():
                raise
            # A CancelledError that nobody has sent to this task is a driver's, of a connection that it gave up.
            raise BrokerUnavailable(
                f"The channel layer can't join the group {group!r}: {type(error).__name__}: {error}"
            ) from error
        local_group.join_task = None

    def _leave_if_empty(self, group: str, local_group: LocalGroup) -> None:
        if local_group.sockets or self.by_name.get(group) is not local_group:
            return
        del self.by_name[group]
        if self._layer is not None and self._channel:
            task = asyncio.get_running_loop().create_task(self._discard(group))
            self._leave_tasks.add(task)
            task.add_done_callback(self._leave_tasks.discard)

    async def _discard(self, group: str) -> None:
        try:
            async with asyncio.timeout(conf.CONNECT_SECONDS):
                await self._layer.group_discard(group, self._channel)
            if group in self.by_name:
                # Joined again during the call. The layer may have handled the join before the leave.
                await self._layer.group_add(group, self._channel)
        except Exception as error:  # noqa: BLE001 - a membership that is left over costs a few unwanted messages only
            logger.debug("Group not left: group=%s reason=%s", group, error)

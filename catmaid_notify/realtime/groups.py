"""Groups of the channel layer: the local sockets of each, and the one channel by which this loop is in all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

from catmaid_notify.conf import conf
from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.realtime.socket import Socket

logger = logging.getLogger("catmaid_notify")


class LocalGroup:
    """The local sockets of one group."""

    __slots__ = ("join_task", "leave_timer", "pk", "pushed", "sockets")

    def __init__(self, pk: Any) -> None:
        self.pk = pk
        """The user whose group this is; ``None``: a topic's."""
        self.join_task: asyncio.Task[None] | None = None
        """``None`` once the layer sends us what goes to the group."""
        self.sockets: set[Socket] = set()
        self.pushed: dict[int, float] = {}
        """Ids of the stored messages that went to this group here, and when; what reconciling needs not push again."""
        self.leave_timer: asyncio.TimerHandle | None = None


class LocalGroups:
    """The groups of one loop. The first socket of a group joins it, the last one leaving lingers."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._channel = ""
        self._channel_lock = asyncio.Lock()
        self.by_name: dict[str, LocalGroup] = {}
        """Groups that have sockets here, or had some seconds ago."""
        self._leave_tasks: set[asyncio.Task[None]] = set()

    def user_groups(self) -> Iterator[tuple[str, LocalGroup]]:
        """Yield the groups of users that have sockets here."""
        return (
            (group, local_group)
            for group, local_group in self.by_name.items()
            if local_group.sockets and local_group.pk is not None
        )

    async def enter(self, socket: Socket, group: str, *, pk: Any = None) -> None:
        """Let a socket get what goes to a group; returns once the layer has the membership.

        Raises:
            BrokerUnavailable: the layer did not answer in time.
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
            # Shielded: others may wait for the same membership.
            await asyncio.shield(local_group.join_task)
        except BaseException:
            self.exit(socket, group)
            raise

    def exit(self, socket: Socket, group: str) -> None:
        """Take a socket out; the group is left some seconds after the last one, so that a reload costs nothing."""
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
        """Return the channel, made by whoever needs it first; layers may take their time to make one."""
        async with self._channel_lock:
            if not self._channel:
                async with asyncio.timeout(conf.CONNECT_SECONDS):
                    self._channel = await self._layer.new_channel()
            return self._channel

    async def join_again(self, *others: str) -> None:
        """Join all groups once more, and some others, for layers that forget who is in a group.

        Raises:
            Exception: what the layer raises, or a time-out; some groups may have been joined by then.
        """
        channel = await self.channel()
        for group in (*others, *self.by_name):
            async with asyncio.timeout(conf.CONNECT_SECONDS):
                await self._layer.group_add(group, channel)
            if group not in others and group not in self.by_name:
                await self._discard(group)  # left meanwhile; the layer may have seen both in the other order

    async def _join(self, group: str, local_group: LocalGroup) -> None:
        try:
            if self._layer is not None:
                async with asyncio.timeout(conf.CONNECT_SECONDS):
                    await self._layer.group_add(group, await self.channel())
        except Exception as error:
            if self.by_name.get(group) is local_group:
                del self.by_name[group]
            if isinstance(error, BrokerUnavailable):
                raise
            raise BrokerUnavailable(
                f"The channel layer can't join {group!r}: {type(error).__name__}: {error}"
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
            if group in self.by_name:  # somebody came meanwhile; the layer may have seen both in the other order
                await self._layer.group_add(group, self._channel)
        except Exception as error:  # noqa: BLE001 - nobody waits; at worst we receive what nobody wants
            logger.debug("Group not left: group=%s reason=%s", group, error)

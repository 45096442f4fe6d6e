"""Usual consumer of Channels: a channel and a group membership for each socket."""

from __future__ import annotations

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer


class Updates(AsyncWebsocketConsumer):
    """Consumer that sends the messages of the user's group."""

    async def connect(self) -> None:
        """Join the group of the signed-in user."""
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close()
            return
        self.group = f"updates-{user.pk}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        """Leave the group."""
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def user_message(self, event: dict[str, Any]) -> None:
        """Send a message of the group."""
        await self.send(text_data=event["data"])

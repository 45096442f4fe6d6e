"""ASGI application for ``manage.py runworker jobs``, with a consumer of a normal channel."""

from __future__ import annotations

import os
from typing import Any

import django
from channels.consumer import AsyncConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()


class Doubler(AsyncConsumer):
    """Answers with twice the number and its process id."""

    async def job(self, message: dict[str, Any]) -> None:
        """Answer one job."""
        answer = {"type": "done", "n": message["n"] * 2, "pid": os.getpid()}
        await self.channel_layer.send(message["reply_to"], answer)


application = ProtocolTypeRouter({"channel": ChannelNameRouter({"jobs": Doubler.as_asgi()})})

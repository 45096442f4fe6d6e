"""A channel layer on which every fifth message is lost, another one comes twice, too late, or before its turn."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

from catmaid_notify.layers import RabbitmqChannelLayer

SHARE = 0.2
DELAY_SECONDS = 30


class AstrayLayer(RabbitmqChannelLayer):
    """What arrives goes astray on its last metre."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._chance = random.Random(os.environ.get("FAULTS_SEED"))
        self._ready: asyncio.Queue[Any] = asyncio.Queue()
        self._held: list[Any] = []
        self._task: asyncio.Task[None] | None = None

    async def receive(self, channel: str) -> Any:
        """Return the next message that has found its way."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._receive_forever(channel))
        return await self._ready.get()

    async def _receive_forever(self, channel: str) -> None:
        while True:
            self._send_astray(await super().receive(channel))

    def _send_astray(self, message: Any) -> None:
        fate = int(self._chance.random() / SHARE)
        if fate == 0:
            return
        if fate == 1:
            self._ready.put_nowait(message)
            self._ready.put_nowait(message)
        elif fate == 2:
            asyncio.get_running_loop().call_later(DELAY_SECONDS, self._ready.put_nowait, message)
        elif fate == 3:
            self._held.append(message)  # comes behind the next one that is let through
        else:
            self._ready.put_nowait(message)
            while self._held:
                self._ready.put_nowait(self._held.pop())

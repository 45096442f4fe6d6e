"""Channel layer that loses every fifth message, and doubles, delays or reorders others."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

from catmaid_notify.layers import RabbitmqChannelLayer

SHARE = 0.2
DELAY_SECONDS = float(os.environ.get("FAULTS_DELAY", "30"))


class AstrayLayer(RabbitmqChannelLayer):
    """RabbitMQ layer whose received messages may get lost, doubled, delayed or reordered."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._chance = random.Random(os.environ.get("FAULTS_SEED"))
        self._held: list[Any] = []

    def listen(self, channel: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Register a listener for the messages that get through."""
        super().listen(channel, lambda message: self._send_astray(message, listener))

    def _send_astray(self, message: Any, listener: Callable[[dict[str, Any]], None]) -> None:
        fate = int(self._chance.random() / SHARE)
        if fate == 0:
            return
        if fate == 1:
            listener(message)
            listener(message)
        elif fate == 2:
            asyncio.get_running_loop().call_later(DELAY_SECONDS, listener, message)
        elif fate == 3:
            self._held.append(message)  # delivered after the next message that gets through
        else:
            listener(message)
            while self._held:
                listener(self._held.pop())

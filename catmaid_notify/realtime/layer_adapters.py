"""Adapters by which the hub uses any channel layer: one class a kind, with the same methods."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from channels.layers import channel_layers
from django.conf import settings

from catmaid_notify.conf import conf

logger = logging.getLogger("catmaid_notify")

GROUP_EXPIRY_SECONDS: Final = 86400
"""Group expiry of a layer that doesn't say it; the default of Channels' specification."""
JOIN_AGAIN_SECONDS_MAX: Final = 3600
"""Longest time between two renewals of memberships, for layers that forget them without an error."""
EARLY_SECONDS: Final = 2.0
"""Time-outs of a driver that come sooner than this are errors; later ones say that nothing has come."""

Handler = Callable[[Any], None]
"""Gets each message of a channel, on the event loop."""


class LayerAdapter(ABC):
    """The hub's view of a channel layer. All methods belong to the hub's event loop."""

    rejoin_seconds: float | None = None
    """Interval at which memberships must be renewed; ``None``: the layer keeps them by itself."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @abstractmethod
    def listen(self, channel: str, handler: Handler) -> None:
        """Hand each message of ``channel`` to ``handler`` from now on, as long as `receive` is awaited."""

    @abstractmethod
    async def receive(self) -> None:
        """Receive for as long as the layer works; return to be called again.

        Raises:
            Exception: whatever the layer's driver raises.
        """

    def on_connected(self, callback: Callable[[], None]) -> None:
        """Call back whenever the layer has its server again, if the layer knows."""
        if hasattr(self.layer, "on_connected"):
            self.layer.on_connected(callback)

    @property
    def is_connected(self) -> bool:
        """True if there is a layer that reports no outage."""
        return not getattr(self.layer, "state", "")


class NoLayer(LayerAdapter):
    """A site without a channel layer: pages poll."""

    is_connected = False

    def listen(self, channel: str, handler: Handler) -> None:
        """Log that nothing will come."""
        logger.warning("No channel layer %r is configured; pages ask every minute.", conf.CHANNEL_LAYER)

    async def receive(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


class PushingLayer(LayerAdapter):
    """The app's own layer: it calls a listener for each message, and keeps its memberships across reconnects."""

    def listen(self, channel: str, handler: Handler) -> None:
        """Register the handler; the layer calls it."""
        self.layer.listen(channel, handler)

    async def receive(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


class PulledLayer(LayerAdapter):
    """Any other layer of Channels: it is asked for each message, and may forget groups after their expiry."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        if not hasattr(layer, "on_connected"):
            expiry = getattr(layer, "group_expiry", None) or GROUP_EXPIRY_SECONDS
            self.rejoin_seconds = min(expiry / 4, JOIN_AGAIN_SECONDS_MAX)

    def listen(self, channel: str, handler: Handler) -> None:
        """Keep both for `receive`."""
        self._channel = channel
        self._handler = handler

    async def receive(self) -> None:
        """Receive messages until the layer's driver ends an idle wait with a time-out.

        redis-py 8 raises its own ``TimeoutError``, not Python's, after an idle wait at whose end channels_redis would
        only ask again. An early time-out is an error.
        """
        while True:
            asked = time.monotonic()
            try:
                message = await self.layer.receive(self._channel)
            except Exception as error:
                if type(error).__name__ != "TimeoutError" or time.monotonic() - asked < EARLY_SECONDS:
                    raise
                return
            self._handler(message)


def configured_layer() -> LayerAdapter:
    """Return the adapter of the layer that ``CATMAID_NOTIFY_CHANNEL_LAYER`` names."""
    if conf.CHANNEL_LAYER not in getattr(settings, "CHANNEL_LAYERS", {}):
        return NoLayer(None)
    layer = channel_layers[conf.CHANNEL_LAYER]
    return PushingLayer(layer) if hasattr(layer, "listen") else PulledLayer(layer)

"""Adapters with one interface for all kinds of channel layers; the hub uses them."""

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
"""Expiry of memberships for layers without ``group_expiry``: the default of Channels' specification."""
JOIN_AGAIN_SECONDS_MAX: Final = 3600
"""Longest interval between two joins of all groups. A layer may forget memberships without an error."""
EARLY_SECONDS: Final = 2.0
"""A time-out of the driver before this time is an error; a later one only ends an idle wait."""

Handler = Callable[[Any], None]
"""Called with each message of a channel, on the event loop."""


class LayerAdapter(ABC):
    """Interface of a channel layer for the hub. All methods belong to the hub's event loop."""

    rejoin_seconds: float | None = None
    """Interval at which all groups must be joined again; ``None``: the layer keeps its memberships."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @abstractmethod
    def listen(self, channel: str, handler: Handler) -> None:
        """Call ``handler`` with each further message of ``channel``, while `receive` runs."""

    @abstractmethod
    async def receive(self) -> None:
        """Receive messages until the layer fails. If it returns, the caller calls it again.

        Raises:
            Exception: any error of the layer's driver.
        """

    def on_connected(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` each time the layer has connected; does nothing for a layer that can't tell."""
        if hasattr(self.layer, "on_connected"):
            self.layer.on_connected(callback)

    @property
    def is_connected(self) -> bool:
        """True if there is a layer that reports no outage."""
        return not getattr(self.layer, "state", "")


class NoLayer(LayerAdapter):
    """Adapter for a site without a channel layer, whose pages poll."""

    is_connected = False

    def listen(self, channel: str, handler: Handler) -> None:
        """Log that no layer is configured."""
        logger.warning("No channel layer %r is configured; pages ask every minute.", conf.CHANNEL_LAYER)

    async def receive(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


class PushingLayer(LayerAdapter):
    """Adapter for the app's own layer, which calls a listener and keeps its memberships across reconnects."""

    def listen(self, channel: str, handler: Handler) -> None:
        """Register the handler in the layer."""
        self.layer.listen(channel, handler)

    async def receive(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


class PulledLayer(LayerAdapter):
    """Adapter for all other layers: it awaits ``receive``, and its memberships may expire."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        if not hasattr(layer, "on_connected"):
            expiry = getattr(layer, "group_expiry", None) or GROUP_EXPIRY_SECONDS
            self.rejoin_seconds = min(expiry / 4, JOIN_AGAIN_SECONDS_MAX)

    def listen(self, channel: str, handler: Handler) -> None:
        """Store channel and handler for `receive`."""
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
    """Return the adapter of the channel layer with the alias ``CATMAID_NOTIFY_CHANNEL_LAYER``."""
    if conf.CHANNEL_LAYER not in getattr(settings, "CHANNEL_LAYERS", {}):
        return NoLayer(None)
    layer = channel_layers[conf.CHANNEL_LAYER]
    return PushingLayer(layer) if hasattr(layer, "listen") else PulledLayer(layer)

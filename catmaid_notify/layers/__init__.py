"""Channel layers. ``catmaid_notify.layers.RabbitmqChannelLayer`` is the one to name in ``CHANNEL_LAYERS``."""

from __future__ import annotations

from catmaid_notify.layers.layer import RabbitmqChannelLayer

__all__ = ["RabbitmqChannelLayer"]

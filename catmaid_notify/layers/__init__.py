"""A RabbitMQ channel layer: name ``catmaid_notify.layers.RabbitmqChannelLayer`` in ``CHANNEL_LAYERS``.

The class is imported at its first use, so a site with another layer, or with none, needs no aio-pika.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catmaid_notify.layers.channel_layer import RabbitmqChannelLayer

__all__ = ["RabbitmqChannelLayer"]


def __getattr__(name: str) -> Any:
    if name == "RabbitmqChannelLayer":
        from catmaid_notify.layers.channel_layer import RabbitmqChannelLayer

        return RabbitmqChannelLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

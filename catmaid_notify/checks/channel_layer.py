"""Checks of the channel layer's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from catmaid_notify.checks.registration import Found, make_error, make_warning, registered
from catmaid_notify.conf import conf

RABBITMQ_LAYERS: Final = ("catmaid_notify.layers.RabbitmqChannelLayer", "channels_rabbitmq.core.RabbitmqChannelLayer")
CLASSIC_KEYS: Final = {
    "expiry",
    "group_expiry",
    "groups_exchange",
    "host",
    "local_capacity",
    "local_expiry",
    "remote_capacity",
    "ssl_context",
}
"""What the ``CONFIG`` of channels_rabbitmq takes; ours takes more."""
IN_MEMORY_LAYER: Final = "channels.layers.InMemoryChannelLayer"


def layer_settings() -> Mapping[str, Any] | None:
    """Return the entry of ``CHANNEL_LAYERS`` that the app uses, ``None`` without one."""
    found: Mapping[str, Any] | None = getattr(settings, "CHANNEL_LAYERS", {}).get(str(conf.CHANNEL_LAYER))
    return found


@registered()
def check_layer_exists() -> Found:
    """There is a channel layer, and it is the one that is meant."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if not layers:
        yield make_warning(
            1,
            "CHANNEL_LAYERS is empty: nothing is pushed, pages ask for messages once a minute.",
            "Add the layer as settings_example.py shows it. If the site is to poll, put catmaid_notify.W001 into "
            "SILENCED_SYSTEM_CHECKS.",
        )
    elif layer_settings() is None:
        yield make_error(
            1,
            f"CATMAID_NOTIFY_CHANNEL_LAYER is {conf.CHANNEL_LAYER!r}, and CHANNEL_LAYERS has only {sorted(layers)}.",
            "Name one of them, or add one of that name.",
        )


@registered()
def check_layer_backend() -> Found:
    """The layer's class can be imported, and is a channel layer."""
    layer = layer_settings()
    if layer is None:
        return
    path = layer.get("BACKEND")
    try:
        backend = import_string(str(path))
    except ImportError as error:
        yield make_error(
            2,
            f"The BACKEND of CHANNEL_LAYERS[{conf.CHANNEL_LAYER!r}] is {path!r}, which can't be imported: {error}",
            "Install what it needs (pip install 'catmaid-notify[rabbitmq]' for ours), or mend its spelling: "
            f"{RABBITMQ_LAYERS[0]!r}.",
        )
        return
    # Some layers are proxies of others, and have no methods of their own.
    if not (hasattr(backend, "group_send") or hasattr(backend, "__getattr__")):
        yield make_error(
            2,
            f"The BACKEND of CHANNEL_LAYERS[{conf.CHANNEL_LAYER!r}] is {path!r}, which is no channel layer.",
            f"Take {RABBITMQ_LAYERS[0]!r}, or another one that settings_example.py names.",
        )


@registered()
def check_layer_config() -> Found:
    """The ``CONFIG`` of a layer on RabbitMQ can be used: the broker's URL above all."""
    layer = layer_settings()
    if layer is None or layer.get("BACKEND") not in RABBITMQ_LAYERS:
        return
    from catmaid_notify.layers.options import LayerOptions

    given = {key: value for key, value in layer.get("CONFIG", {}).items() if key != "channel_capacity"}
    foreign = sorted(set(given) - CLASSIC_KEYS) if layer.get("BACKEND") == RABBITMQ_LAYERS[1] else []
    if foreign:
        yield make_error(
            3, f"CHANNEL_LAYERS: channels_rabbitmq takes no {foreign[0]!r} in CONFIG.", f"Take {RABBITMQ_LAYERS[0]!r}."
        )
        return
    try:
        LayerOptions.from_config(given)
    except ImproperlyConfigured as error:
        yield make_error(3, str(error), "docs/channel-layer.md lists the keys of CONFIG and what they take.")


@registered(deploy=True)
def check_layer_in_memory() -> Found:
    """The in-memory layer reaches nobody outside of its own process."""
    layer = layer_settings()
    if layer is not None and layer.get("BACKEND") == IN_MEMORY_LAYER:
        yield make_warning(
            2,
            "The channel layer lives in the memory of one process: what Celery workers and other servers send is not "
            "pushed.",
            f"For anything but development take {RABBITMQ_LAYERS[0]!r}.",
        )

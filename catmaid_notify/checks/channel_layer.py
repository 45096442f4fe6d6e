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
"""Keys that the ``CONFIG`` of channels_rabbitmq accepts; our layer accepts more."""
IN_MEMORY_LAYER: Final = "channels.layers.InMemoryChannelLayer"


def layer_settings() -> Mapping[str, Any] | None:
    """Return the entry of ``CHANNEL_LAYERS`` that the app uses; ``None`` if there is none."""
    found: Mapping[str, Any] | None = getattr(settings, "CHANNEL_LAYERS", {}).get(str(conf.CHANNEL_LAYER))
    return found


@registered()
def check_layer_exists() -> Found:
    """Check that the site has a channel layer of the configured name."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if not layers:
        yield make_warning(
            1,
            "CHANNEL_LAYERS is empty: nothing is pushed, pages ask for messages once a minute.",
            "Add a layer as settings_example.py shows it. If pages are meant to poll, add catmaid_notify.W001 to "
            "SILENCED_SYSTEM_CHECKS.",
        )
    elif layer_settings() is None:
        yield make_error(
            1,
            f"CATMAID_NOTIFY_CHANNEL_LAYER is {conf.CHANNEL_LAYER!r}, but CHANNEL_LAYERS has only {sorted(layers)}.",
            "Name one of these layers, or add a layer of that name.",
        )


@registered()
def check_layer_backend() -> Found:
    """Check that the layer's class can be imported and is a channel layer."""
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
            "Install its package (pip install 'catmaid-notify[rabbitmq]' for our layer), or correct the spelling: "
            f"{RABBITMQ_LAYERS[0]!r}.",
        )
        return
    # Some layers are proxies, which forward every call through __getattr__.
    if not (hasattr(backend, "group_send") or hasattr(backend, "__getattr__")):
        yield make_error(
            2,
            f"The BACKEND of CHANNEL_LAYERS[{conf.CHANNEL_LAYER!r}] is {path!r}, which is not a channel layer.",
            f"Use {RABBITMQ_LAYERS[0]!r}, or another one that settings_example.py names.",
        )


@registered()
def check_layer_config() -> Found:
    """Check the ``CONFIG`` of a layer on RabbitMQ: keys, value types and the broker's URL."""
    layer = layer_settings()
    if layer is None or layer.get("BACKEND") not in RABBITMQ_LAYERS:
        return
    from catmaid_notify.layers.options import LayerOptions

    given = {key: value for key, value in layer.get("CONFIG", {}).items() if key != "channel_capacity"}
    foreign = sorted(set(given) - CLASSIC_KEYS) if layer.get("BACKEND") == RABBITMQ_LAYERS[1] else []
    if foreign:
        yield make_error(
            3,
            f"CHANNEL_LAYERS: channels_rabbitmq takes no {foreign[0]!r} in CONFIG.",
            f"Remove {foreign[0]!r}, or use {RABBITMQ_LAYERS[0]!r}.",
        )
        return
    try:
        LayerOptions.from_config(given)
    except ImproperlyConfigured as error:
        yield make_error(3, str(error), "docs/channel-layer.md lists the keys of CONFIG and their values.")


@registered(deploy=True)
def check_layer_in_memory() -> Found:
    """Check that the layer is not the in-memory one, which reaches no other process."""
    layer = layer_settings()
    if layer is not None and layer.get("BACKEND") == IN_MEMORY_LAYER:
        yield make_warning(
            2,
            "The channel layer lives in the memory of one process: messages of Celery workers and other servers are "
            "not pushed.",
            f"Use {RABBITMQ_LAYERS[0]!r}, except for development.",
        )

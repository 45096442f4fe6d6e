"""Steps for the RabbitMQ nodes of a channel layer."""

from __future__ import annotations

from catmaid_notify.checks.channel_layer import RABBITMQ_LAYERS, layer_settings
from catmaid_notify.doctor.runner import Step
from catmaid_notify.layers.options import LayerOptions, Node


def options() -> LayerOptions | None:
    """Return the options of the channel layer; ``None`` if it does not use RabbitMQ."""
    layer = layer_settings()
    if layer is None or layer.get("BACKEND") not in RABBITMQ_LAYERS:
        return None
    config = {key: value for key, value in layer.get("CONFIG", {}).items() if key != "channel_capacity"}
    return LayerOptions.from_config(config)


def steps() -> list[Step]:
    """Return the steps for each node that the layer may connect to."""
    found = options()
    if found is None:
        return []
    several = len(found.nodes) > 1
    return [
        step for node in found.nodes for step in _steps(found, node, f" {node.host}:{node.port}" if several else "")
    ]


def _steps(given: LayerOptions, node: Node, suffix: str) -> list[Step]:
    from catmaid_notify.doctor.amqp_node import NodeVisit  # needs pamqp, which comes with the driver of the layer

    at = NodeVisit(given, node)
    runs = {
        "address": at.address,
        **({"TLS": at.tls} if node.tls else {}),
        "login": at.login,
        "vhost": at.vhost,
        "permissions": at.permissions,
        "version": at.version,
        "alarms": at.alarms,
    }
    names = [f"broker {name}{suffix}" for name in runs]
    needs = {name: (names[index - 1],) for index, name in enumerate(names) if index}
    needs[f"broker version{suffix}"] = (names[names.index(f"broker login{suffix}") - 1],)
    needs[f"broker alarms{suffix}"] = (f"broker permissions{suffix}",)
    return [Step(name=name, run=run, needs=needs.get(name, ())) for name, run in zip(names, runs.values(), strict=True)]

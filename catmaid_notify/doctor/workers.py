"""Steps for Celery: its broker, a worker that answers, and a message that a worker sends."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Final

from django.conf import settings

from catmaid_notify import api
from catmaid_notify.checks.channel_layer import IN_MEMORY_LAYER, layer_settings
from catmaid_notify.doctor import broker, layer
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, failed, ok, skipped, warning
from catmaid_notify.models import Message
from catmaid_notify.protocol import user_group
from catmaid_notify.tasks.probe import TASK, key_of

ASK_SECONDS: Final = 1.0
"""Seconds in which nearly all workers answer."""


def application(visit: Visit) -> Any:
    """Return the Celery application of the site; ``None`` without Celery or without such a module."""
    if find_spec("celery") is None:
        return None
    from celery.app.utils import find_app

    # find_spec() first, so that an ImportError within the module is reported and not taken for its absence.
    return find_app(module(visit)) if visit.celery or find_spec(module(visit)) else None


def module(visit: Visit) -> str:
    """Return the name of the module of the Celery application."""
    return visit.celery or f"{str(settings.ROOT_URLCONF).partition('.')[0]}.celery"


def vhosts(visit: Visit) -> Iterator[Finding]:
    """Compare the vhosts of Celery and the layer: code that publishes through Celery's connection needs one vhost."""
    app, options = application(visit), broker.options()
    if app is None or options is None:
        yield skipped("there is no Celery, or the layer is not on RabbitMQ")
        return
    # Kombu connects lazily: this only reads the settings.
    connection = app.connection_for_write()
    node = options.nodes[0]
    if connection.transport_cls not in ("amqp", "amqps", "pyamqp"):
        yield ok("Celery has a broker of another kind")
    elif (connection.hostname, connection.port or 5672) != (node.host, node.port):
        yield ok("Celery and the layer have different brokers")
    elif (connection.virtual_host or "/") != node.vhost:
        yield warning(
            f"Celery uses the vhost {connection.virtual_host!r}, the channel layer {node.vhost!r}.",
            "Code that calls catmaid_notify.api needs no change. Code that publishes into the exchange 'groups' by "
            "Celery's connection, as CATMAID does, reaches no socket: then give both the same vhost.",
        )
    else:
        yield ok(f"Celery and the channel layer share {node.vhost!r}")


def celery_broker(visit: Visit) -> Iterator[Finding]:
    """Connect to Celery's broker."""
    app = application(visit)
    if app is None:
        yield skipped("no Celery application is found; if there is one, name its module: --celery mysite.celery")
        return
    connection = app.connection_for_write(connect_timeout=visit.timeout)
    if connection.transport_cls == "memory":
        yield skipped("Celery's broker lives in the memory of one process, which is not this one")
        return
    where = _without_password(connection)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=visit.timeout)
    except Exception as error:  # noqa: BLE001 - kombu's transports raise what their drivers do
        yield failed(
            f"Celery's broker {where} can't be reached: {type(error).__name__}: {error}",
            "Correct CELERY_BROKER_URL. Its user, password and vhost must exist in the broker.",
        )
    else:
        yield ok(where)


def _without_password(connection: Any) -> str:
    return str(connection.as_uri(include_password=False))


def worker(visit: Visit) -> Iterator[Finding]:
    """Ask all workers for the tasks that they know, which must include ours."""
    app = application(visit)
    # inspect() waits for its whole time-out, however fast the workers are. The second, longer call is for slow workers.
    known = app.control.inspect(timeout=min(visit.timeout, ASK_SECONDS)).registered()
    known = known or app.control.inspect(timeout=visit.timeout, limit=1).registered() or {}
    names = sorted(name for name, tasks in known.items() if TASK in {task.partition(" ")[0] for task in tasks})
    if not known:
        yield failed(
            "No worker answers.",
            "Start one on the same broker and vhost. A worker with the pool solo does not answer while it runs a task.",
            f"celery -A {module(visit)} worker",
        )
    elif not names:
        yield failed(
            f"{', '.join(sorted(known))} does not know the tasks of catmaid_notify.",
            'Add "catmaid_notify" to INSTALLED_APPS, call app.autodiscover_tasks() in the module of the Celery '
            "application, and restart the workers.",
        )
    else:
        yield ok(", ".join(names))


def push(visit: Visit) -> Iterator[Finding]:
    """Let a worker notify the user, and wait for the message in the channel layer and at the user's socket."""
    backend = (layer_settings() or {}).get("BACKEND")
    if visit.user is None:
        yield skipped("give --user NAME: this user gets a message, which is deleted again")
    elif backend in (None, IN_MEMORY_LAYER):
        yield skipped("there is no channel layer that other processes can reach")
    else:
        nonce, began = secrets.token_hex(8), time.monotonic()
        try:
            seconds = asyncio.run(_seconds_of_push(visit, application(visit), nonce))
            if seconds is None:
                yield _not_pushed(visit, nonce)
                return
            yield ok(f"a worker's message came through the layer in {seconds * 1000:.0f} ms")
            yield from _at_the_socket(visit, nonce, began)
        finally:
            _take_away(visit.user.pk, nonce)


async def _seconds_of_push(visit: Visit, app: Any, nonce: str) -> float | None:
    """Start our task, and return the seconds until its message came through the layer; ``None`` if none came."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(visit.timeout), layer.listening(user_group(visit.user.pk)) as (listener, channel):
            began = time.monotonic()
            await asyncio.to_thread(app.send_task, TASK, args=[str(visit.user.pk), nonce], expires=visit.timeout)
            while nonce not in str((await listener.receive(channel)).get("v1")):
                pass  # another message for this user
    except TimeoutError:
        return None
    return time.monotonic() - began


def _at_the_socket(visit: Visit, nonce: str, began: float) -> Iterator[Finding]:
    if visit.socket is None:
        return
    try:
        visit.socket.wait_for(lambda frame: nonce in str(frame.get("payload")), visit.timeout)
    except OSError as error:
        yield failed(
            f"The worker's message did not reach the user's socket: {error}",
            "The ASGI server has another CHANNEL_LAYERS than these settings: restart it.",
        )
    else:
        yield ok(f"and reached the user's socket within {(time.monotonic() - began) * 1000:.0f} ms")


def _not_pushed(visit: Visit, nonce: str) -> Finding:
    if Message.objects.for_user(visit.user.pk).filter(key=key_of(nonce)).exists():
        return failed(
            f"A worker stored a message, but its push did not come through within {visit.timeout:g} s.",
            "The worker has another CHANNEL_LAYERS than these settings, or can't reach that broker. See its log, and "
            "restart it.",
        )
    return failed(
        f"No worker did the task {TASK} within {visit.timeout:g} s.",
        "Check whether all workers are busy, their logs, and that they have the same DATABASES.",
    )


def _take_away(pk: Any, nonce: str) -> None:
    """Delete the message, and remove it from open pages by marking it as read first."""
    found = Message.objects.for_user(pk).filter(key=key_of(nonce))
    api.mark_read(pk, found.values_list("pk", flat=True))
    found.delete()

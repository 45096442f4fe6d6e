"""Sends messages to groups of the channel layer: one call for any code in any process.

`push` neither raises nor waits. Sync and async views, Celery's pools, commands and shells, before and after a fork: all
use a background thread with one long-lived connection. A lost push is logged and not reported to the caller, since
reconciling finds the message.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, Protocol

from channels.layers import InMemoryChannelLayer, channel_layers
from django.conf import settings
from django.core.signals import setting_changed
from django.db import transaction

from catmaid_notify.conf import conf
from catmaid_notify.layers import flushing, loop_thread
from catmaid_notify.protocol import LayerMessage
from catmaid_notify.utils.asyncio import being_cancelled

logger = logging.getLogger("catmaid_notify")

P = ParamSpec("P")
CLASSIC_BACKEND = "channels_rabbitmq.core.RabbitmqChannelLayer"
"""Channel layer of channels_rabbitmq. Messages for it are sent with our own layer."""


class Transport(Protocol):
    """Thread-safe callable that queues a message for a group and returns at once."""

    def __call__(self, group: str, message: dict[str, Any]) -> None:
        """Queue ``message`` for ``group``."""


_transports: loop_thread.PerProcess[str, Transport] = loop_thread.PerProcess()
_local_hub: tuple[asyncio.AbstractEventLoop, Callable[[str, dict[str, Any]], None]] | None = None
_lost_logged_at = -60.0


def push(group: str, message: LayerMessage) -> None:
    """Send ``message`` to ``group`` at most once; from any thread, with or without an event loop.

    It never waits. It raises no error of its own; an exception of a signal handler, such as Celery's soft time limit,
    passes through.
    """
    try:
        transport()(group, {**message, "group": group})
    except Exception as error:  # host code must not fail because of a push
        if _is_time_limit(error):
            raise
        log_lost(error)


def call_after_commit(using: str, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call once the current transaction has committed; at once where there is none.

    An exception is logged by Django and reaches neither the caller nor the other callbacks of the transaction.

    Args:
        using: alias of the database whose transaction is meant.
        call: a function or method; it gets the remaining arguments.
    """
    callback = partial(call, *args, **kwargs)
    # For Django's log line. A partial has no __qualname__, and the AttributeError would be the caller's.
    callback.__qualname__ = call.__qualname__  # type: ignore[attr-defined]
    transaction.on_commit(callback, using=using, robust=True)


def transport() -> Transport:
    """Return the transport of the configured layer. It is made at the first call, and anew after a fork."""
    alias = conf.CHANNEL_LAYER
    return _transports.made.get(alias) or _transports.get(alias, _make_transport)


def flush() -> None:
    """Wait, a few seconds at most, until all pushes of this process are sent. For a process that is about to end."""
    _flush_loop_transports()
    flushing.flush()


@atexit.register
def _flush_loop_transports() -> None:
    """Flush the transports of layers that register no hook in `flushing`."""
    for made in _transports.all():
        if isinstance(made, _LoopTransport):
            made.flush(loop_thread.EXIT_SECONDS)


def set_local_hub(loop: asyncio.AbstractEventLoop, deliver: Callable[[str, dict[str, Any]], None]) -> None:
    """Register this process's hub. The in-memory layer serves one loop only, so pushes are delivered to the hub itself.

    Args:
        loop: event loop of the hub.
        deliver: called on that loop with group and message.
    """
    global _local_hub
    _local_hub = (loop, deliver)


def log_lost(error: BaseException) -> None:
    """Log the reason of a lost push, at most once a minute."""
    global _lost_logged_at
    now = time.monotonic()
    if now - _lost_logged_at >= 60:
        _lost_logged_at = now
        logger.warning("Push not sent, reconciling will find it: reason=%s: %s", type(error).__name__, error)
        logger.debug("Traceback of the lost push", exc_info=error)


def _is_time_limit(error: Exception) -> bool:
    """Return true for Celery's soft time limit. A signal handler raises it, but it is an ordinary `Exception`."""
    limit = getattr(sys.modules.get("billiard.exceptions"), "SoftTimeLimitExceeded", ())
    return isinstance(error, limit)


def _make_transport(alias: str) -> Transport:
    configured = getattr(settings, "CHANNEL_LAYERS", {}).get(alias)
    if configured is None:
        return _discard
    if configured.get("BACKEND") == CLASSIC_BACKEND:
        # That layer can't be made without a running loop. Ours takes the same CONFIG and writes the same bytes.
        from catmaid_notify.layers import RabbitmqChannelLayer

        return RabbitmqChannelLayer(**configured.get("CONFIG", {})).group_send_nowait
    layer = channel_layers[alias]
    nowait: Transport | None = getattr(layer, "group_send_nowait", None)
    if nowait is not None:
        return nowait
    if isinstance(layer, InMemoryChannelLayer):
        return _hand_to_local_hub
    return _LoopTransport(channel_layers.make_backend(alias), loop_thread.loop())


def _discard(group: str, message: dict[str, Any]) -> None:
    """Drop the message: no layer is configured, so pages poll."""


def _hand_to_local_hub(group: str, message: dict[str, Any]) -> None:
    """Deliver to the hub, on its loop: the in-memory layer is not thread-safe. Without a hub there are no sockets."""
    if _local_hub is not None:
        loop, deliver = _local_hub
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, group, message)


class _LoopTransport:
    """Sends through any channel layer, on the background loop, one message after another, from a bounded queue."""

    def __init__(self, layer: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._layer = layer
        self._loop = loop
        self._queue: deque[tuple[float, str, dict[str, Any]]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def __call__(self, group: str, message: dict[str, Any]) -> None:
        if len(self._queue) >= conf.PUBLISH_QUEUE_MAX:
            log_lost(OverflowError(f"the queue is full, {conf.PUBLISH_QUEUE_MAX} pushes wait already"))
            return
        self._queue.append((time.monotonic() + conf.PUBLISH_SECONDS, group, message))
        self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._send_forever())
        self._idle.clear()
        self._wake.set()

    def flush(self, timeout: float) -> None:
        """Wait, for ``timeout`` seconds at most, until all queued messages are sent or given up."""
        # The loop runs this after the `_start` calls of all earlier messages, so `_idle` is up to date by then.
        idle = asyncio.run_coroutine_threadsafe(self._idle.wait(), self._loop)
        concurrent.futures.wait([idle], timeout=timeout)
        idle.cancel()

    async def _send_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                deadline, group, message = self._queue.popleft()
                left = deadline - time.monotonic()
                if left <= 0:
                    log_lost(TimeoutError(f"not sent within {conf.PUBLISH_SECONDS:g} s"))
                    continue
                try:
                    async with asyncio.timeout(left):
                        await self._layer.group_send(group, message)
                except (Exception, asyncio.CancelledError) as error:
                    if being_cancelled():
                        raise
                    log_lost(error)
            self._idle.set()


def _reset(*, setting: str, **_kwargs: Any) -> None:
    """Drop the transports when a test changes the layer's settings."""
    if setting in ("CHANNEL_LAYERS", "CATMAID_NOTIFY_CHANNEL_LAYER"):
        _transports.clear()


setting_changed.connect(_reset)

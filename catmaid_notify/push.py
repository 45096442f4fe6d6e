"""The one seam between the app and the channel layer: the same call from any code, in any process.

`push` never raises and never waits. Sync and async views, Celery's pools, commands and shells, before and after a
fork: all hand their push to a background thread, which has one long-lived connection. What is lost on the way is found
by reconciling, so a loss is logged and counted, never reported to the caller.
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
from typing import Any, Protocol

from channels.layers import InMemoryChannelLayer, channel_layers
from django.conf import settings
from django.core.signals import setting_changed

from catmaid_notify.conf import conf
from catmaid_notify.layers import flushing, loop_thread
from catmaid_notify.protocol import LayerMessage
from catmaid_notify.utils.asyncio import being_cancelled

logger = logging.getLogger("catmaid_notify")

CLASSIC_BACKEND = "channels_rabbitmq.core.RabbitmqChannelLayer"


class Transport(Protocol):
    """Takes a message for a group and returns at once; may be called from any thread."""

    def __call__(self, group: str, message: dict[str, Any]) -> None:
        """Send when possible."""


_transports: loop_thread.PerProcess[str, Transport] = loop_thread.PerProcess()
_local_hub: tuple[asyncio.AbstractEventLoop, Callable[[str, dict[str, Any]], None]] | None = None
_lost_logged_at = -60.0


def push(group: str, message: LayerMessage) -> None:
    """Send ``message`` to ``group`` at most once. Never raises, never waits.

    What a signal's handler raises meanwhile, such as the soft time limit of a Celery task, is no error of the push.
    """
    try:
        transport()(group, {**message, "group": group})
    except Exception as error:  # the seam: host code must not fail because of a push
        if _is_time_limit(error):
            raise
        log_lost(error)


def transport() -> Transport:
    """Return what sends for the configured layer, made at the first call and again after a fork."""
    alias = conf.CHANNEL_LAYER
    return _transports.made.get(alias) or _transports.get(alias, _make_transport)


def flush() -> None:
    """Wait a moment until what was pushed is sent; for a process that is about to end."""
    _flush_loop_transports()
    flushing.flush()


@atexit.register
def _flush_loop_transports() -> None:
    """Wait for the layers that have no such hook of their own."""
    for made in _transports.all():
        if isinstance(made, _LoopTransport):
            made.flush(loop_thread.EXIT_SECONDS)


def set_local_hub(loop: asyncio.AbstractEventLoop, deliver: Callable[[str, dict[str, Any]], None]) -> None:
    """Tell where the hub of this process runs; the in-memory layer knows no other process, thread or loop."""
    global _local_hub
    _local_hub = (loop, deliver)


def log_lost(error: BaseException) -> None:
    """Log that a push was lost, once a minute."""
    global _lost_logged_at
    now = time.monotonic()
    if now - _lost_logged_at >= 60:
        _lost_logged_at = now
        logger.warning("Push not sent, reconciling will find it: reason=%s: %s", type(error).__name__, error)
        logger.debug("Push not sent", exc_info=error)


def _is_time_limit(error: Exception) -> bool:
    """Return whether Celery ends the task that pushes. Its exception is an ordinary one, as no other of a signal is."""
    limit = getattr(sys.modules.get("billiard.exceptions"), "SoftTimeLimitExceeded", ())
    return isinstance(error, limit)


def _make_transport(alias: str) -> Transport:
    configured = getattr(settings, "CHANNEL_LAYERS", {}).get(alias)
    if configured is None:
        return _discard
    if configured.get("BACKEND") == CLASSIC_BACKEND:
        # That layer refuses to be made without a running loop, and its bytes are ours.
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
    """No layer is configured: pages poll."""


def _hand_to_local_hub(group: str, message: dict[str, Any]) -> None:
    """Go to the hub's loop: the in-memory layer is not safe across threads. Without a hub nobody listens."""
    if _local_hub is not None:
        loop, deliver = _local_hub
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, group, message)


class _LoopTransport:
    """Sends through any layer on the background loop, one after another, from a bounded queue."""

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
            log_lost(OverflowError(f"{conf.PUBLISH_QUEUE_MAX} pushes wait already"))
            return
        self._queue.append((time.monotonic() + conf.PUBLISH_SECONDS, group, message))
        self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._send_forever())
        self._idle.clear()
        self._wake.set()

    def flush(self, timeout: float) -> None:
        """Wait until all that was handed over is sent or given up, but not longer than ``timeout`` seconds."""
        # On the loop, which comes to that after all that was handed over before.
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
    """Forget the transports when tests change the layer."""
    if setting in ("CHANNEL_LAYERS", "CATMAID_NOTIFY_CHANNEL_LAYER"):
        _transports.clear()


setting_changed.connect(_reset)

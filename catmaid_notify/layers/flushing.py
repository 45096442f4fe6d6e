"""Flush hooks of channel layers, for processes that end without Python's exit handlers."""

from __future__ import annotations

from collections.abc import Callable

_hooks: list[Callable[[], None]] = []


def register(hook: Callable[[], None]) -> None:
    """Register a hook for `flush`. The hook waits a bounded time for unsent messages and must not raise."""
    _hooks.append(hook)


def flush() -> None:
    """Call all registered hooks, one after another."""
    for hook in _hooks:
        hook()

"""Flush hooks of channel layers, for processes that end without Python's exit handlers."""

from __future__ import annotations

from collections.abc import Callable

_hooks: list[Callable[[], None]] = []


def register(hook: Callable[[], None]) -> None:
    """Have ``hook`` called by `flush`. It waits a moment for what was sent last, and must not raise."""
    _hooks.append(hook)


def flush() -> None:
    """Call the hooks."""
    for hook in _hooks:
        hook()

"""Threads for what uses the database beside the handshakes, which must not wait for one that hangs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from channels.db import database_sync_to_async

T = TypeVar("T")

_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catmaid-notify-background")
_pages = ThreadPoolExecutor(max_workers=2, thread_name_prefix="catmaid-notify-pages")


async def ask(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that uses the database, behind those that were asked before, and return its answer."""
    return await _ask(_executor, function, *arguments)


async def ask_for_page(function: Callable[..., T], *arguments: Any) -> T:
    """The same for what a page waits for; the site's own code may be slow there, and must not delay our duties."""
    return await _ask(_pages, function, *arguments)


async def _ask(executor: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
    answer: T = await database_sync_to_async(function, thread_sensitive=False, executor=executor)(*arguments)
    return answer

"""Thread pools for database work in the background: a query that hangs must not block the handshakes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from channels.db import database_sync_to_async

T = TypeVar("T")

# One thread for the app's own duties, which so run in order; two for code of the site, of which one may be slow.
_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catmaid-notify-background")
_pages = ThreadPoolExecutor(max_workers=2, thread_name_prefix="catmaid-notify-pages")


async def ask(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that uses the database in the background thread, after the earlier calls; return its result."""
    return await _ask(_executor, function, *arguments)


async def ask_for_page(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that a page waits for in separate threads: slow code of the site must not delay `ask`."""
    return await _ask(_pages, function, *arguments)


async def _ask(executor: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
    answer: T = await database_sync_to_async(function, thread_sensitive=False, executor=executor)(*arguments)
    return answer

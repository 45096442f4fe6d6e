"""A thread for queries that nobody waits for: a database that hangs must not stop those who sign in meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from channels.db import database_sync_to_async

T = TypeVar("T")

_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catmaid-notify-background")


async def ask(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that uses the database, behind those that were asked before, and return its answer."""
    answer: T = await database_sync_to_async(function, thread_sensitive=False, executor=_executor)(*arguments)
    return answer

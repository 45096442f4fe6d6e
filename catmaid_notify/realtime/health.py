"""Whether this process can do its work: what ``/channels/health/`` says. Nothing of it is secret."""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from typing import Final

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.db import connection

from catmaid_notify.realtime.hub import Hub

TIMEOUT_SECONDS: Final = 5.0
"""How long a part may take to answer before it counts as failing."""
CACHE_SECONDS: Final = 1.0
"""How long a report is given again: anyone may ask, so asking must not cost a query each time."""

Report = tuple[int, bytes]


class _Checks:
    """The last report about one hub, and the lock that lets one check run at a time."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.made = -CACHE_SECONDS
        self.report: Report = (503, b"")


_checks: weakref.WeakKeyDictionary[Hub, _Checks] = weakref.WeakKeyDictionary()


async def report(hub: Hub) -> Report:
    """Return the HTTP status (200 or 503) and the JSON."""
    checks = _checks.setdefault(hub, _Checks())
    async with checks.lock:
        if time.monotonic() - checks.made >= CACHE_SECONDS:
            checks.report = await _check(hub)
            checks.made = time.monotonic()
        return checks.report


async def _check(hub: Hub) -> Report:
    broker, database = await asyncio.gather(hub.check_layer(TIMEOUT_SECONDS), _check_database())
    parts = {"broker": broker, "database": database, "hub": hub.is_well}
    well = all(parts.values())
    words = {name: "ok" if is_well else "failing" for name, is_well in parts.items()}
    body = json.dumps({"status": "ok" if well else "failing", **words, "sockets": hub.sockets})
    return (200 if well else 503), body.encode()


async def _check_database() -> bool:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await database_sync_to_async(_select_one, thread_sensitive=False)()
    except (DatabaseError, TimeoutError):
        return False
    return True


def _select_one() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

"""Health report of this process, for ``/channels/health/``. It is public, so it contains no secrets."""

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
"""Deadline for the answer of a part; a later one counts as failing."""
CACHE_SECONDS: Final = 1.0
"""Time for which a report is reused: anybody may request it, so a request must not cost a query each."""

Report = tuple[int, bytes]


class _Checks:
    """Cached report of one hub, and a lock that lets one check run at a time."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.made = -CACHE_SECONDS
        self.report: Report = (503, b"")


_checks: weakref.WeakKeyDictionary[Hub, _Checks] = weakref.WeakKeyDictionary()


async def report(hub: Hub) -> Report:
    """Return the HTTP status (200 or 503) and the JSON body. The report is at most `CACHE_SECONDS` old."""
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
    # A duty that is tried again takes no process out of service: for many it is the database, and all would go.
    status = "failing" if not well else "degraded" if hub.failing else "ok"
    down = {"duties": dict.fromkeys(sorted(hub.failing), "failing")} if hub.failing else {}
    words = {name: "ok" if is_well else "failing" for name, is_well in parts.items()}
    body = json.dumps({"status": status, **words, **down, "sockets": hub.sockets})
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

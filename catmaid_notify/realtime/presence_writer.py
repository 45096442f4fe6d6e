"""Presence rows of this process's sockets, for `presence`. Changes are written every two seconds, in batches."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from django.db import router, transaction
from django.db.models.functions import Now

from catmaid_notify.conf import conf
from catmaid_notify.models import Presence, SocketServer
from catmaid_notify.protocol import user_key
from catmaid_notify.utils import db_threads
from catmaid_notify.utils.chunks import batches

logger = logging.getLogger("catmaid_notify")

WRITE_SECONDS: Final = 2.0
"""Interval of writing, and so the delay with which other processes see a change."""
ROWS_PER_STATEMENT: Final = 500
FORGET_SECONDS: Final = 300
"""Time after which the rows of a silent process are deleted. It may only be suspended, so this is long."""

Place = tuple[str, Any]
"""A topic (empty: the site as a whole) and the primary key of a user."""


class PresenceWriter:
    """Counts sockets by user and topic, and writes the counts to the database. All methods belong to one loop."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._counts: Counter[Place] = Counter()
        self._changed: set[Place] = set()
        self._beat_due = 0.0

    def add(self, pk: Any, topic: str = "") -> None:
        """Count a new socket of a user, or a socket that has subscribed to ``topic``."""
        self._counts[topic, pk] += 1
        self._changed.add((topic, pk))

    def remove(self, pk: Any, topic: str = "") -> None:
        """Take back one `add`."""
        place = (topic, pk)
        self._counts[place] -= 1
        if self._counts[place] <= 0:
            del self._counts[place]
        self._changed.add(place)

    async def write(self) -> None:
        """Take one turn: wait, write changed counts, and renew the row that says that this process is alive.

        Raises:
            django.db.Error: what the database says; nothing is forgotten.
        """
        await asyncio.sleep(min(WRITE_SECONDS, conf.PRESENCE_SECONDS))
        beat = time.monotonic() >= self._beat_due
        if self._changed or (beat and self._counts):
            await self._write(beat=beat)

    async def _write(self, *, beat: bool) -> None:
        if beat:
            self._beat_due = time.monotonic() + conf.PRESENCE_SECONDS
            if await db_threads.ask(_beat, self._id):
                # Another process has deleted this one's rows, or they were never written.
                self._changed |= set(self._counts)
        changed, self._changed = self._changed, set()
        try:
            await db_threads.ask(_write, self._id, {place: self._counts.get(place, 0) for place in changed})
        except BaseException:
            self._changed |= changed  # for the next try
            raise


def _beat(server: str) -> bool:
    """Renew the row of this process and delete dead processes with their rows; return true if the row was missing."""
    using = router.db_for_write(SocketServer)
    servers = SocketServer.objects.using(using)
    made = not servers.filter(pk=server).update(seen=Now())
    if made:
        servers.create(pk=server)
    dead = list(servers.filter(seen__lt=Now() - timedelta(seconds=FORGET_SECONDS)).values_list("pk", flat=True))
    if dead:
        Presence.objects.using(using).filter(server__in=dead).delete()
        servers.filter(pk__in=dead).delete()
    return made


def _write(server: str, counts: dict[Place, int]) -> None:
    using = router.db_for_write(Presence)
    rows = Presence.objects.using(using)
    for batch in batches(counts.items(), ROWS_PER_STATEMENT):
        made = [_row(server, place, count) for place, count in batch]
        with transaction.atomic(using=using):
            rows.filter(pk__in=[row.pk for row in made]).delete()
            rows.bulk_create([row for row in made if row.sockets])


def _row(server: str, place: Place, count: int) -> Presence:
    topic, pk = place
    key = user_key(pk)[:255]
    name = hashlib.blake2b(f"{server}\0{topic}\0{key}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return Presence(pk=name, server_id=server, topic=topic, user_key=key, sockets=count)

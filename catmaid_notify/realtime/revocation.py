"""Signed in stays signed in only as long as it is true: closes the sockets whose sign-in has ended.

Within a moment when a process of the site says so (`signal_handlers`), at the end of a session as far as it is known,
and otherwise at the next round, which looks at all sockets of this process with a few queries.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import Error as DatabaseError

from catmaid_notify.auth import sign_in
from catmaid_notify.conf import conf
from catmaid_notify.protocol import ALL_SESSIONS, Close, user_key
from catmaid_notify.realtime.socket import Socket
from catmaid_notify.utils import db_threads
from catmaid_notify.utils.asyncio import set_within

logger = logging.getLogger("catmaid_notify")

GRACE_SECONDS: Final = 0.5
"""How long after a change of a user its sockets are checked: the view that has changed the password is about to give
the page a new session, and some more changes may follow."""


class SessionRevalidator:
    """Watches over the sockets of one loop. All methods belong to that loop."""

    def __init__(self, sockets: Collection[Socket]) -> None:
        self._sockets = sockets
        self._changed: set[Any] = set()
        self._changes_due = math.inf
        self._round_due = time.monotonic() + conf.SESSION_CHECK_SECONDS
        self._first_expiry = math.inf
        self._wake = asyncio.Event()

    def watch(self, socket: Socket) -> None:
        """Take notice of a new socket: its session may be the first one to end."""
        if socket.sign_in.expires < self._first_expiry:
            self._wake.set()

    def handle_control_message(self, message: dict[str, Any], sockets: Iterable[Socket]) -> bool:
        """Act on an order about these sockets; return whether the message was one."""
        ended, replaced = message.get("ended"), message.get("replaced")
        if isinstance(ended, str):
            _close_session(ended, sockets)
        elif isinstance(replaced, str):
            _close_sockets_of(replaced, sockets, Close.OTHER_USER)
        elif message.get("check") is True:
            self._check_soon({socket.sign_in.user_pk for socket in sockets})
        else:
            return False
        return True

    async def run_forever(self) -> None:
        """Check what is due, when it is due."""
        while True:
            await self._sleep()
            await self._check(self._take_due())

    def _check_soon(self, user_pks: set[Any]) -> None:
        self._changed |= user_pks
        self._changes_due = min(self._changes_due, time.monotonic() + GRACE_SECONDS)
        self._wake.set()

    async def _sleep(self) -> None:
        self._wake.clear()
        self._first_expiry = min((socket.sign_in.expires for socket in self._open()), default=math.inf)
        due = min(self._round_due, self._changes_due) - time.monotonic()
        # Ends of sessions are times of the wall clock, so whoever sets that is heard after a round at most.
        await set_within(self._wake, max(0.0, min(due, self._first_expiry - time.time())))

    def _take_due(self) -> list[Socket]:
        now = time.monotonic()
        changed: set[Any] = set()
        if now >= self._changes_due:
            changed, self._changed, self._changes_due = self._changed, set(), math.inf
        if now >= self._round_due:
            self._round_due = now + conf.SESSION_CHECK_SECONDS
            return self._open()
        return [socket for socket in self._open() if socket.sign_in.is_over or socket.sign_in.user_pk in changed]

    def _open(self) -> list[Socket]:
        return [socket for socket in self._sockets if not socket.is_closing]

    async def _check(self, due: list[Socket]) -> None:
        if not due:
            return
        try:
            async with asyncio.timeout(conf.SESSION_CHECK_SECONDS):
                failed = await _recheck(due)
        except (DatabaseError, TimeoutError) as error:
            outage = f"{type(error).__name__}: {error}"
        else:
            outage = _outage_reason(due, failed)
        if outage:  # what is away comes back, and so does the next round
            logger.warning("Sessions not checked, trying again: reason=%s", outage)
            _close_expired(due)
            return
        for socket, why in failed.items():
            # Not what the error says: it is the site's own, and may hold anything.
            key, reason = user_key(socket.sign_in.user_pk), type(why).__name__
            logger.warning("Socket closed, nothing says whose it is: user=%.100r reason=%s", key, reason)
            socket.close(Close.NO_BROKER)  # as a handshake of theirs is


def _outage_reason(due: Collection[Socket], failed: Mapping[Socket, Exception]) -> str:
    """Return what went wrong if that is what all need, such as a cache that keeps the sessions; else nothing."""
    is_outage = len(failed) == len(due) and len({socket.sign_in.user_pk for socket in failed}) > 1
    return type(next(iter(failed.values()))).__name__ if is_outage else ""


async def _recheck(due: Sequence[Socket]) -> dict[Socket, Exception]:
    """Close those who are not signed in any more; return those of whom nothing says so, and why.

    Raises:
        django.db.Error: what the database says; nothing is known of those left.
    """
    try:
        outcomes = await db_threads.ask(sign_in.recheck, [socket.sign_in for socket in due])
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - a backend of the site may fail for one, and must not for all others
        if len(due) == 1:
            return {due[0]: error}
        middle = len(due) // 2
        return {**await _recheck(due[:middle]), **await _recheck(due[middle:])}
    for socket, outcome in zip(due, outcomes, strict=True):
        if isinstance(outcome, Close):
            socket.close(outcome)
        else:
            socket.sign_in = outcome
    return {}


def _close_session(ended: str, sockets: Iterable[Socket]) -> None:
    if ended != ALL_SESSIONS:
        _close_sockets_of(ended, sockets, Close.NO_SESSION)
        return
    for socket in tuple(sockets):
        if socket.sign_in.session_key:
            socket.close(Close.OTHER_USER)  # those whose session is good after all come again


def _close_sockets_of(digest: str, sockets: Iterable[Socket], code: Close) -> None:
    for socket in tuple(sockets):
        if digest and socket.sign_in.session_digest == digest:
            socket.close(code)


def _close_expired(sockets: Iterable[Socket]) -> None:
    """Close those whose session has ended for all that we know; a handshake finds out if it was prolonged."""
    for socket in sockets:
        if socket.sign_in.is_over:
            socket.close(Close.OTHER_USER)

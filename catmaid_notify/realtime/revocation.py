"""Revalidation of the sessions of open sockets; sockets whose sign-in has ended are closed.

A socket is closed at once when a process of the site announces the change (`signal_handlers`), at the known end of its
session, and else at the next round, which checks all sockets of this process with a few queries.
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
"""Delay between a change of a user and the check of its sockets. A view that changes the password then gives the page
a new session, and further changes may follow."""


class SessionsUnchecked(Exception):
    """Something that all session checks need is away; holds the reason."""


class SessionRevalidator:
    """Rechecks the sign-in of one loop's sockets. All methods belong to that loop."""

    def __init__(self, sockets: Collection[Socket]) -> None:
        self._sockets = sockets
        self._changed: set[Any] = set()
        self._changes_due = math.inf
        self._round_due = time.monotonic() + conf.SESSION_CHECK_SECONDS
        self._first_expiry = math.inf
        self._wake = asyncio.Event()

    def watch(self, socket: Socket) -> None:
        """Take a new socket into account: its session may be the first one to expire."""
        if socket.sign_in.expires < self._first_expiry:
            self._wake.set()

    def handle_control_message(self, message: dict[str, Any], sockets: Iterable[Socket]) -> bool:
        """Carry out a control message for ``sockets``; return false if it is of another kind or malformed."""
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

    async def check(self) -> None:
        """Take one turn: wait until checks are due, and do them.

        Raises:
            SessionsUnchecked: an outage. Only sockets whose session has expired are closed; all are due again.
        """
        await self._sleep()
        try:
            await self._check(self._take_due())
        except BaseException:
            self._round_due = 0
            raise

    def _check_soon(self, user_pks: set[Any]) -> None:
        self._changed |= user_pks
        self._changes_due = min(self._changes_due, time.monotonic() + GRACE_SECONDS)
        self._wake.set()

    async def _sleep(self) -> None:
        self._wake.clear()
        self._first_expiry = min((socket.sign_in.expires for socket in self._open()), default=math.inf)
        due = min(self._round_due, self._changes_due) - time.monotonic()
        # Sessions expire by the wall clock. When somebody sets it, that has an effect after one round at most.
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
        if outage:  # meanwhile only the known ends of sessions count
            _close_expired(due)
            raise SessionsUnchecked(outage)
        for socket, why in failed.items():
            # Without the text of the error: a site's backend raises it, and it may contain secrets.
            key, reason = user_key(socket.sign_in.user_pk), type(why).__name__
            logger.warning("Socket closed, its sign-in can't be checked: user=%.100r reason=%s", key, reason)
            socket.close(Close.NO_BROKER)  # the code that a new handshake of this user gets


def _outage_reason(due: Collection[Socket], failed: Mapping[Socket, Exception]) -> str:
    """Return the error's name if the checks of several users all failed, as without the session cache; else ``""``."""
    is_outage = len(failed) == len(due) and len({socket.sign_in.user_pk for socket in failed}) > 1
    return type(next(iter(failed.values()))).__name__ if is_outage else ""


async def _recheck(due: Sequence[Socket]) -> dict[Socket, Exception]:
    """Check the sign-in of sockets; close those whose sign-in has ended.

    Returns:
        The sockets whose check failed, with the error.

    Raises:
        django.db.Error: the database failed. Some sockets may have been checked by then.
    """
    try:
        outcomes = await db_threads.ask(sign_in.recheck, [socket.sign_in for socket in due])
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - a site's backend that fails for one user must not spare all others
        # Bisect to find the sockets that fail.
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
            socket.close(Close.OTHER_USER)  # clients whose session is still valid reconnect


def _close_sockets_of(digest: str, sockets: Iterable[Socket], code: Close) -> None:
    for socket in tuple(sockets):
        if digest and socket.sign_in.session_digest == digest:
            socket.close(code)


def _close_expired(sockets: Iterable[Socket]) -> None:
    """Close sockets whose session has expired as far as is known. If it was prolonged, the client's reconnect works."""
    for socket in sockets:
        if socket.sign_in.is_over:
            socket.close(Close.OTHER_USER)

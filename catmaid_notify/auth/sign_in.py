"""Sign-ins of sockets: resolved at the handshake, and rechecked while the socket is open."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.core.exceptions import ValidationError
from django.http import parse_cookie
from django.utils.crypto import constant_time_compare

from catmaid_notify.auth import sessions, users
from catmaid_notify.auth.sessions import Session
from catmaid_notify.protocol import Close
from catmaid_notify.utils.asyncio import PerLoop
from catmaid_notify.utils.batching import Batcher
from catmaid_notify.utils.sql_cache import NOT_FETCHED, Fetched

_batchers: PerLoop[Batcher[str, SignIn | None]] = PerLoop()


@dataclass(frozen=True, kw_only=True, slots=True)
class SignIn:
    """User of a socket, with the evidence for it: a session, or a fingerprint if a middleware named the user."""

    user_pk: Any
    session_key: str = field(default="", repr=False)
    """Secret: anyone who knows the key is signed in. It is never logged or sent."""
    session_digest: str = field(default="", repr=False)
    """Hash of the key, by which messages between processes name the session."""
    fingerprint: str = field(default="", repr=False)
    """Hash of the user's state, if there is no session; see `_fingerprint`."""
    expires: float = math.inf
    """Expiry of the session in seconds since 1970; a request may have prolonged the session meanwhile."""

    @property
    def is_over(self) -> bool:
        """``True`` from the known expiry on; a recheck shows if the session was prolonged."""
        return self.expires <= time.time()


async def sign_in_of(scope: dict[str, Any]) -> SignIn | None:
    """Resolve the sign-in of an ASGI connection; ``None`` if nobody is signed in.

    The user that an outer middleware has put into the scope wins. Otherwise two queries load session and user, together
    with those of all handshakes that wait at the same time.

    Raises:
        django.db.Error: the database failed.
    """
    if "user" in scope:
        user, session = scope["user"], scope.get("session")
        if user is None or not user.is_authenticated:
            return None
        # Reading a lazy session blocks, so it happens in a thread.
        return await database_sync_to_async(_of_middleware)(user, session) if session else _of_user(user)
    key = _session_key(scope)
    return await _handshakes().ask(key) if key else None


def sign_in_with(key: str, fetched: Fetched = NOT_FETCHED) -> SignIn | None:
    """Resolve the sign-in of a session key with two queries; ``None`` if nobody is signed in.

    Raises:
        django.db.Error: the database failed.
    """
    return _of_sessions([key], fetched)[0] if sessions.can_be_key(key) else None


def recheck(sign_ins: Sequence[SignIn]) -> list[SignIn | Close]:
    """Recheck sign-ins: return for each its current state, or the close code for its sockets.

    Takes two queries per thousand sign-ins. If the browser may have a newer session (after another login, or when the
    user has changed the password), the code is `Close.OTHER_USER`: the client reconnects, and the handshake decides.

    Raises:
        django.db.Error: the database failed.
    """
    by_session = [sign_in for sign_in in sign_ins if sign_in.session_key]
    found = _signed_in({sign_in.session_key for sign_in in by_session})
    known = users.by_pk({sign_in.user_pk for sign_in in sign_ins if not sign_in.session_key})
    return [
        _by_session(sign_in, *found.get(sign_in.session_key, (None, None)))
        if sign_in.session_key
        else _by_fingerprint(sign_in, known.get(sign_in.user_pk))
        for sign_in in sign_ins
    ]


# Sign-ins with a session


def _session_key(scope: dict[str, Any]) -> str:
    for name, value in scope.get("headers", ()):
        if name.lower() == b"cookie":
            key = parse_cookie(value.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")
            if sessions.can_be_key(key):
                return str(key)
    return ""


def _handshakes() -> Batcher[str, SignIn | None]:
    """Return the running loop's batcher; concurrent handshakes share its queries."""
    return _batchers.get(lambda: Batcher(database_sync_to_async(_of_sessions)))


def _of_sessions(keys: Sequence[str], fetched: Fetched = NOT_FETCHED) -> list[SignIn | None]:
    found = _signed_in(set(keys), fetched)
    return [_of_session(key, *found.get(key, (None, None))) for key in keys]


def _of_session(key: str, session: Session | None, user: Any) -> SignIn | None:
    if session is None or user is None or not user.is_authenticated or not _is_verified(session.data, user):
        return None
    return SignIn(user_pk=user.pk, session_key=key, session_digest=sessions.digest(key), expires=session.expires)


def _signed_in(keys: set[str], fetched: Fetched = NOT_FETCHED) -> dict[str, tuple[Session, Any]]:
    """Load sessions by key, each with its user; the user is ``None`` if the backend no longer accepts it."""
    found = sessions.load(keys, fetched)
    wanted = {
        key: (str(session.data.get(BACKEND_SESSION_KEY)), _user_pk(session.data)) for key, session in found.items()
    }
    known = users.load((who for who in wanted.values() if who[1] is not None), fetched)
    return {key: (session, known.get(wanted[key])) for key, session in found.items()}


def _user_pk(data: Any) -> Any:
    try:
        return get_user_model()._meta.pk.to_python(data[SESSION_KEY])
    except (KeyError, ValidationError):
        return None


def _by_session(sign_in: SignIn, session: Session | None, user: Any) -> SignIn | Close:
    if session is None or _user_pk(session.data) != sign_in.user_pk:
        return Close.OTHER_USER
    if user is None:
        return Close.NO_SESSION
    now = replace(sign_in, expires=session.expires)
    return Close.OTHER_USER if now.is_over or not _is_verified(session.data, user) else now


def _is_verified(data: dict[str, Any], user: Any) -> bool:
    """Return ``True`` if the password has not changed since the login. Like Django, accept older secret keys."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    given = data.get(HASH_SESSION_KEY) or ""
    valid = [user.get_session_auth_hash()]
    if hasattr(user, "get_session_auth_fallback_hash"):
        valid += user.get_session_auth_fallback_hash()
    return any(constant_time_compare(given, one) for one in valid)


# Sign-ins without a session


def _of_middleware(user: Any, session: Any) -> SignIn | None:
    """Return the sign-in of the scope's session if that is the middleware's user, else one without a session."""
    if session.session_key and _user_pk(session) == user.pk:
        return _of_sessions([session.session_key])[0]
    return _of_user(user)


def _of_user(user: Any) -> SignIn:
    return SignIn(user_pk=user.pk, fingerprint=_fingerprint(user))


def _by_fingerprint(sign_in: SignIn, user: Any) -> SignIn | Close:
    if user is None:
        return Close.NO_SESSION
    if not sign_in.fingerprint or _fingerprint(user) == sign_in.fingerprint:
        return sign_in
    return Close.OTHER_USER if user.is_active else Close.NO_SESSION


def _fingerprint(user: Any) -> str:
    """Hash password and ``is_active``, so that a change of either shows; empty if the model has no password."""
    if not hasattr(user, "get_session_auth_hash"):
        return ""
    state = f"{user.get_session_auth_hash()}:{getattr(user, 'is_active', True)}"
    return hashlib.sha256(state.encode()).hexdigest()

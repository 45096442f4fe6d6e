from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from catmaid_notify.auth import user_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)

in_db = database_sync_to_async


@pytest.fixture
def key(signed_in: Client) -> str:
    """The key of a session of ``user``."""
    return signed_in.cookies["sessionid"].value


def scope(cookie: str | bytes) -> dict[str, Any]:
    raw = cookie if isinstance(cookie, bytes) else cookie.encode("latin-1")
    return {"type": "websocket", "headers": [(b"host", b"testserver"), (b"cookie", raw)]}


async def test_user_of__session_cookie(user: User, key: str) -> None:
    assert await user_of(scope(f"a=b; sessionid={key}; c=d")) == user


async def test_user_of__name_of_the_cookie_is_a_setting(user: User, key: str, settings: Settings) -> None:
    settings.SESSION_COOKIE_NAME = "catmaid"
    assert await user_of(scope(f"catmaid={key}")) == user
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__costs_two_queries(user: User, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.backends.utils import CursorWrapper

    statements = []
    execute = CursorWrapper.execute

    def counted(self: Any, sql: str, params: Any = None) -> Any:
        statements.append(sql)
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", counted)
    assert await user_of(scope(f"sessionid={key}"))
    assert len([sql for sql in statements if sql.startswith("SELECT")]) == 2


@pytest.mark.parametrize(
    "cookie",
    [
        b"",
        b"sessionid=",
        b"sessionid=short",
        b"sessionid=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"other=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"sessionid=" + b"a" * 5000,
        b"sessionid=\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc",
        b"sessionid=' OR 1=1 --",
        b'sessionid="aaaaaaaa\\000"',  # a cookie may quote any byte: this is NUL, which PostgreSQL refuses
        b"sessionid=aaaaaaaa\0",
        b"=;;=;",
    ],
)
async def test_user_of__what_is_no_session(cookie: bytes) -> None:
    assert await user_of(scope(cookie)) is None


async def test_user_of__no_cookie_at_all() -> None:
    assert await user_of({"type": "websocket", "headers": []}) is None


async def test_user_of__ended_session(signed_in: Client, key: str) -> None:
    await in_db(signed_in.logout)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__expired_session(key: str) -> None:
    past = timezone.now() - dt.timedelta(seconds=1)
    await in_db(Session.objects.update)(expire_date=past)
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__changed_password(user: User, key: str) -> None:
    user.set_password("another one")
    await in_db(user.save)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__deactivated_user(user: User, key: str) -> None:
    user.is_active = False
    await in_db(user.save)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__deleted_user(user: User, key: str) -> None:
    await in_db(user.delete)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__session_that_was_tampered_with(key: str) -> None:
    await in_db(Session.objects.update)(session_data="nonsense")
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__session_without_login() -> None:
    def anonymous() -> str:
        from django.contrib.sessions.backends.db import SessionStore

        store = SessionStore()
        store["a"] = 1
        store.save()
        return str(store.session_key)

    key = await in_db(anonymous)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_user_of__user_of_a_middleware_around_us_counts(user: User, other: User, key: str) -> None:
    assert await user_of({**scope(f"sessionid={key}"), "user": other}) == other


@pytest.mark.parametrize("nobody", [None, AnonymousUser()], ids=["none", "anonymous"])
async def test_user_of__middleware_that_found_nobody(key: str, nobody: Any) -> None:
    assert await user_of({**scope(f"sessionid={key}"), "user": nobody}) is None


async def test_user_of__works_with_signed_cookies(user: User, client: Client, settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    await in_db(client.force_login)(user)
    assert await user_of(scope(f"sessionid={client.cookies['sessionid'].value}")) == user


async def test_user_of__same_as_djangos_own(user: User, signed_in: Client, key: str) -> None:
    def log_out() -> None:
        request = HttpRequest()
        request.session = signed_in.session
        logout(request)

    assert await user_of(scope(f"sessionid={key}")) == user
    await in_db(log_out)()
    assert await user_of(scope(f"sessionid={key}")) is None

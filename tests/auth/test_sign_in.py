from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model, logout
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import Client as ClientOfDjango
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from catmaid_notify.auth import sign_in as sign_in_module
from catmaid_notify.auth.sign_in import SignIn, recheck, sign_in_of
from catmaid_notify.protocol import Close

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)

in_db = database_sync_to_async


@pytest.fixture
def key(signed_in: Client) -> str:
    """The key of a session of ``user``."""
    return signed_in.cookies["sessionid"].value


async def user_of(connection: dict[str, Any]) -> Any | None:
    """Return the primary key of whoever is signed in."""
    sign_in = await sign_in_of(connection)
    return sign_in and sign_in.user_pk


def scope(cookie: str | bytes) -> dict[str, Any]:
    raw = cookie if isinstance(cookie, bytes) else cookie.encode("latin-1")
    return {"type": "websocket", "headers": [(b"host", b"testserver"), (b"cookie", raw)]}


async def test_sign_in_of__session_cookie(user: User, key: str) -> None:
    assert await user_of(scope(f"a=b; sessionid={key}; c=d")) == user.pk


async def test_sign_in_of__name_of_the_cookie_is_a_setting(user: User, key: str, settings: Settings) -> None:
    settings.SESSION_COOKIE_NAME = "catmaid"
    assert await user_of(scope(f"catmaid={key}")) == user.pk
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__costs_two_queries(user: User, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so do all that come while it is asked for."""
    from django.db.backends.utils import CursorWrapper

    statements = []
    execute = CursorWrapper.execute

    def counted(self: Any, sql: str, params: Any = None) -> Any:
        statements.append(sql)
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", counted)
    assert await user_of(scope(f"sessionid={key}"))
    assert len([sql for sql in statements if sql.startswith("SELECT")]) == 2
    statements.clear()
    many = [scope(f"sessionid={given}") for given in (key, key, "x" * 32, key, "y" * 32)]
    assert await asyncio.gather(*map(user_of, many)) == [user.pk, user.pk, None, user.pk, None]
    assert len([sql for sql in statements if sql.startswith("SELECT")]) <= 4


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
async def test_sign_in_of__what_is_no_session(cookie: bytes) -> None:
    assert await user_of(scope(cookie)) is None


@given(st.lists(st.binary(max_size=60) | st.binary(max_size=40).map(lambda key: b"sessionid=" + key), max_size=3))
@hypothesis_settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_sign_in_of__no_cookie_raises(cookies: list[bytes]) -> None:
    key = sign_in_module._session_key({"headers": [(b"cookie", cookie) for cookie in cookies]})
    assert not key or sign_in_module._of_sessions([key]) == [None]


async def test_sign_in_of__no_cookie_at_all() -> None:
    assert await user_of({"type": "websocket", "headers": []}) is None


async def test_sign_in_of__ended_session(signed_in: Client, key: str) -> None:
    await in_db(signed_in.logout)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__expired_session(key: str) -> None:
    past = timezone.now() - dt.timedelta(seconds=1)
    await in_db(Session.objects.update)(expire_date=past)
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__changed_password(user: User, key: str) -> None:
    user.set_password("another one")
    await in_db(user.save)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__deactivated_user(user: User, key: str) -> None:
    user.is_active = False
    await in_db(user.save)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__deleted_user(user: User, key: str) -> None:
    await in_db(user.delete)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__session_that_was_tampered_with(key: str) -> None:
    await in_db(Session.objects.update)(session_data="nonsense")
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__session_without_login() -> None:
    def anonymous() -> str:
        store = SessionStore()
        store["a"] = 1
        store.save()
        return str(store.session_key)

    key = await in_db(anonymous)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__user_of_a_middleware_around_us_counts(user: User, other: User, key: str) -> None:
    assert await user_of({**scope(f"sessionid={key}"), "user": other}) == other.pk


@pytest.mark.parametrize("nobody", [None, AnonymousUser()], ids=["none", "anonymous"])
async def test_sign_in_of__middleware_that_found_nobody(key: str, nobody: Any) -> None:
    assert await user_of({**scope(f"sessionid={key}"), "user": nobody}) is None


async def test_sign_in_of__works_with_signed_cookies(user: User, client: Client, settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    await in_db(client.force_login)(user)
    assert await user_of(scope(f"sessionid={client.cookies['sessionid'].value}")) == user.pk


async def test_sign_in_of__same_as_djangos_own(user: User, signed_in: Client, key: str) -> None:
    def log_out() -> None:
        request = HttpRequest()
        request.session = signed_in.session
        logout(request)

    assert await user_of(scope(f"sessionid={key}")) == user.pk
    await in_db(log_out)()
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__keeps_its_secrets_to_itself(user: User, key: str) -> None:
    sign_in = await sign_in_of(scope(f"sessionid={key}"))
    without_session = await sign_in_of({**scope(""), "user": user})
    assert key not in repr(sign_in)
    assert user.get_session_auth_hash() not in repr(without_session)
    assert without_session is not None
    assert without_session.fingerprint not in repr(without_session)


async def test_sign_in_of__knows_when_the_session_ends(key: str) -> None:
    sign_in = await sign_in_of(scope(f"sessionid={key}"))
    session = await in_db(Session.objects.get)()
    assert sign_in is not None
    assert sign_in.expires == session.expire_date.timestamp()


async def test_sign_in_of__older_secret_key_leaves_the_session_as_it_is(
    user: User, key: str, settings: Settings
) -> None:
    """Django's own ``get_user`` gives it a new key, which a handshake can't hand to the browser."""
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    assert await user_of(scope(f"sessionid={key}")) == user.pk
    assert await in_db(lambda: [session.pk for session in Session.objects.all()])() == [key]


async def test_sign_in_of__failed_one_leaves_the_session_as_it_is(user: User, key: str) -> None:
    user.is_active = False
    await in_db(user.save)()
    assert await user_of(scope(f"sessionid={key}")) is None
    assert await in_db(Session.objects.count)() == 1


async def test_sign_in_of__backend_that_is_no_longer_configured(key: str, settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    assert await user_of(scope(f"sessionid={key}")) is None


async def test_sign_in_of__backend_that_lets_inactive_users_in(user: User, client: Client, settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    user.is_active = False
    await in_db(user.save)()
    await in_db(client.force_login)(user)
    assert await user_of(scope(f"sessionid={client.cookies['sessionid'].value}")) == user.pk


class OwnBackend(ModelBackend):
    """A backend that asks somebody else."""

    banned: ClassVar[set[Any]] = set()

    def get_user(self, user_id: Any) -> Any:
        return None if user_id in self.banned else super().get_user(user_id)


async def test_sign_in_of__backend_of_the_sites_own(
    user: User, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.OwnBackend"]
    await in_db(client.force_login)(user)
    connection = scope(f"sessionid={client.cookies['sessionid'].value}")
    sign_in = await sign_in_of(connection)
    assert sign_in is not None
    assert await in_db(recheck)([sign_in]) == [sign_in]
    monkeypatch.setattr(OwnBackend, "banned", {user.pk})
    assert await in_db(recheck)([sign_in]) == [Close.NO_SESSION]
    assert await user_of(connection) is None


# -- Behind Channels' own middleware


def around(connection: dict[str, Any], user: Any, key: str) -> dict[str, Any]:
    """Return the connection as ``AuthMiddlewareStack`` hands it on."""
    return {**connection, "user": user, "session": SessionStore(key)}


async def test_sign_in_of__session_of_a_middleware_is_kept_in_mind(user: User, key: str) -> None:
    sign_in = await sign_in_of(around(scope(""), user, key))
    assert sign_in is not None
    assert sign_in.session_key == key


async def test_sign_in_of__session_that_the_middleware_did_not_go_by(other: User, key: str) -> None:
    sign_in = await sign_in_of(around(scope(""), other, key))
    assert sign_in is not None
    assert (sign_in.user_pk, sign_in.session_key) == (other.pk, "")


async def test_sign_in_of__session_that_ended_in_between(user: User, key: str) -> None:
    connection = around(scope(""), user, key)
    await in_db(lambda: dict(connection["session"].items()))()  # the middleware has read it
    await in_db(Session.objects.all().delete)()
    assert await sign_in_of(connection) is None


# -- Later


def sign_ins(count: int) -> list[SignIn]:
    """Return the sign-ins of so many users, each with a session of their own."""
    made = []
    for number in range(count):
        client = ClientOfDjango()
        client.force_login(get_user_model().objects.create_user(f"user {number}", password="a"))
        key = client.cookies["sessionid"].value
        made += [sign_in for sign_in in sign_in_module._of_sessions([key]) if sign_in]
    return made


def test_recheck__costs_two_statements_however_many_there_are(
    django_assert_num_queries: Callable[[int], AbstractContextManager[None]],
) -> None:
    many = sign_ins(30)
    with django_assert_num_queries(2):
        assert recheck(many * 2) == many * 2


def test_recheck__nobody_costs_nothing(
    django_assert_num_queries: Callable[[int], AbstractContextManager[None]],
) -> None:
    with django_assert_num_queries(0):
        assert recheck([]) == []


def test_recheck__more_than_one_statement_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catmaid_notify.auth.sessions.KEYS_PER_QUERY", 2)
    monkeypatch.setattr("catmaid_notify.auth.users.USERS_PER_QUERY", 2)
    many = sign_ins(5)
    assert recheck(many) == many


def test_recheck__prolonged_session(user: User, key: str) -> None:
    [sign_in] = sign_in_module._of_sessions([key])
    later = timezone.now() + dt.timedelta(days=100)
    Session.objects.update(expire_date=later)
    assert sign_in is not None
    [now] = recheck([sign_in])
    assert isinstance(now, SignIn)
    assert now.expires == later.timestamp()


def test_recheck__without_a_session(user: User, other: User) -> None:
    bare = [sign_in_module._of_user(user), sign_in_module._of_user(other)]
    assert recheck(bare) == bare
    user.set_password("another one")
    user.save()
    other.is_active = False
    other.save()
    assert recheck(bare) == [Close.OTHER_USER, Close.NO_SESSION]
    other.delete()
    assert recheck(bare) == [Close.OTHER_USER, Close.NO_SESSION]


def test_recheck__user_of_another_kind_need_only_exist(user: User) -> None:
    class Robot:
        pk = user.pk

    known = sign_in_module._of_user(Robot())
    assert recheck([known]) == [known]
    user.delete()
    assert recheck([known]) == [Close.NO_SESSION]

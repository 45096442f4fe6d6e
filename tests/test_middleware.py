"""The short way of polls: what the long way would answer with 304, too, without asking the rest of the site."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, connections
from django.http import HttpResponse
from django.test import AsyncClient
from django.test.utils import override_script_prefix
from django.utils import timezone

from catmaid_notify import api, middleware
from catmaid_notify.auth import sign_in
from catmaid_notify.models import Message, TaskProgress

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db

UNREAD = "/notify/unread"
SHORT = "catmaid_notify.middleware.poll"


class Behind:
    """Stands behind the short way, and counts what comes through."""

    seen = 0

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        type(self).seen += 1
        return self.get_response(request)


@pytest.fixture(autouse=True)
def behind(settings: Settings) -> type[Behind]:
    assert settings.MIDDLEWARE[1] == SHORT, "settings_example.py has it behind SecurityMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:2], f"{__name__}.Behind", *settings.MIDDLEWARE[2:]]
    Behind.seen = 0
    return Behind


@pytest.fixture
def etag(signed_in: Client, user: User, behind: type[Behind]) -> str:
    """What a page of ``user`` holds that has polled once."""
    Message.objects.create(user=user, title="Crop finished")
    TaskProgress.objects.create(task_id="t", user=user, title="Crop")
    found = signed_in.get(UNREAD)["ETag"]
    behind.seen = 0
    return found


def ask(client: Client, etag: str, **options: Any) -> Any:
    return client.get(UNREAD, headers={"If-None-Match": etag, **options.pop("headers", {})}, **options)


def test_poll__unchanged(
    signed_in: Client, etag: str, behind: type[Behind], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Session, user, unread ids and tasks, by one round trip where the driver can.
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 4):
        short = ask(signed_in, etag)
    assert (short.status_code, behind.seen) == (304, 0)


def test_poll__says_what_the_long_way_says(signed_in: Client, etag: str, settings: Settings) -> None:
    short = ask(signed_in, etag)
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if path != SHORT]
    long = ask(signed_in, etag)
    assert (short.status_code, short.content) == (long.status_code, long.content) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert short[name] == long[name]


def test_poll__weak_etag_of_a_compressing_proxy(signed_in: Client, etag: str, behind: type[Behind]) -> None:
    assert (ask(signed_in, f"W/{etag}").status_code, behind.seen) == (304, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda user: Message.objects.create(user=user, title="More"),
        lambda user: api.mark_read(user),
        lambda user: TaskProgress.objects.all().delete(),
        lambda user: TaskProgress.objects.update(updated=timezone.now() + dt.timedelta(seconds=1)),
    ],
    ids=["a message more", "all are read", "a task ends", "a task moves"],
)
def test_poll__changed(signed_in: Client, user: User, etag: str, behind: type[Behind], change: Any) -> None:
    change(user)
    response = ask(signed_in, etag)
    assert (response.status_code, behind.seen) == (200, 1)
    assert response["ETag"] != etag


@pytest.mark.parametrize(
    "etag_of_page",
    [
        "",
        '"',
        "*",
        '"other"',
        "W/",
        "\0",
        '"1.0"',
        '"."',
        '"-1.x"',
        f'"{"9" * 40}.x"',
        '"%00.x"',
        '"%FF.x"',
        '"1%3B.x"',
    ],
)
def test_poll__what_is_no_etag_of_ours(signed_in: Client, etag_of_page: str, behind: type[Behind]) -> None:
    assert (ask(signed_in, etag_of_page).status_code, behind.seen) == (200, 1)


# -- Whose


def test_poll__the_etag_of_somebody_else(client: Client, etag: str, other: User, behind: type[Behind]) -> None:
    client.force_login(other)
    response = ask(client, etag)
    assert response.status_code == 200
    assert response.json()["user"] == f"{other.pk}"
    assert behind.seen == 1


def deactivated(user: User) -> None:
    user.is_active = False
    user.save()


def with_new_password(user: User) -> None:
    user.set_password("another one")
    user.save()


@pytest.mark.parametrize(
    "end",
    [
        lambda user: Session.objects.all().delete(),
        lambda user: Session.objects.update(expire_date=timezone.now() - dt.timedelta(seconds=1)),
        deactivated,
        with_new_password,
        lambda user: user.delete(),
    ],
    ids=["logged out elsewhere", "expired", "deactivated", "new password", "deleted"],
)
def test_poll__who_is_no_longer_signed_in(
    signed_in: Client, user: User, etag: str, behind: type[Behind], end: Any
) -> None:
    end(user)
    assert (ask(signed_in, etag).status_code, behind.seen) == (401, 1)


@pytest.mark.parametrize("cookie", ["", "short", "a" * 32, "a\0b", "é", "' OR 1=1 --", "a" * 5000])
def test_poll__a_cookie_that_is_no_session(client: Client, etag: str, cookie: str, behind: type[Behind]) -> None:
    client.cookies.clear()
    client.cookies["sessionid"] = cookie
    assert (ask(client, etag).status_code, behind.seen) == (401, 1)


def test_poll__somebody_whom_a_middleware_lets_act_for_another(
    signed_in: Client, other: User, behind: type[Behind], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's ETag is of the inbox that it is shown, the session's user has another."""

    class Impersonating(Behind):
        def __call__(self, request: Any) -> Any:
            behind.seen += 1
            request.user = other
            return self.get_response(request)

    monkeypatch.setattr(import_module(__name__), "Impersonating", Impersonating, raising=False)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Impersonating"]
    response = signed_in.get(UNREAD)
    assert response.json()["user"] == f"{other.pk}"
    Message.objects.create(user=other, title="New")
    again = ask(signed_in, response["ETag"])
    assert [message["title"] for message in again.json()["messages"]] == ["New"]


# -- What goes the long way


def test_poll__other_requests_are_left_alone(
    signed_in: Client, etag: str, behind: type[Behind], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_request: Any) -> Any:
        raise AssertionError("The inbox was asked.")

    monkeypatch.setattr(middleware, "_unchanged", asked)
    signed_in.get(UNREAD)
    signed_in.head(UNREAD, headers={"If-None-Match": etag})
    signed_in.post(UNREAD, headers={"If-None-Match": etag})
    signed_in.get("/notify/messages", headers={"If-None-Match": etag})
    signed_in.get(f"/elsewhere{UNREAD}", headers={"If-None-Match": etag})
    assert behind.seen == 5


def test_poll__below_a_script_prefix(signed_in: Client, etag: str, behind: type[Behind]) -> None:
    with override_script_prefix("/catmaid/"):  # servers set it, Django's test client does not
        assert (ask(signed_in, etag, SCRIPT_NAME="/catmaid").status_code, behind.seen) == (304, 0)


def test_poll__each_request_prolongs_the_session(
    signed_in: Client, etag: str, behind: type[Behind], settings: Settings
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    response = ask(signed_in, etag)
    assert (response.status_code, behind.seen) == (304, 1)
    assert "sessionid" in response.cookies


def test_poll__a_site_that_has_other_urls(rf: Any, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.support.no_urls"
    request = rf.get(UNREAD, headers={"If-None-Match": '"x"'})
    site: Any = middleware.poll(lambda _request: HttpResponse("long"))
    assert site(request).content == b"long"


def test_poll__database_that_fails(
    signed_in: Client, etag: str, behind: type[Behind], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site says it in its own way."""

    def fail(*_arguments: Any) -> Any:
        raise DatabaseError("gone")

    monkeypatch.setattr(sign_in, "sign_in_with", fail)
    assert (ask(signed_in, etag).status_code, behind.seen) == (304, 1)


@pytest.mark.django_db(transaction=True)
async def test_poll__with_an_asgi_server(user: User, settings: Settings) -> None:
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if not path.endswith("Behind")]
    client = AsyncClient()
    await client.aforce_login(user)
    etag = (await client.get(UNREAD))["ETag"]
    settings.MIDDLEWARE = [SHORT]  # nothing behind it could say who asks
    try:
        assert (await client.get(UNREAD, headers={"If-None-Match": etag})).status_code == 304
    finally:
        await sync_to_async(connections.close_all)()  # a server does it at the end of a request

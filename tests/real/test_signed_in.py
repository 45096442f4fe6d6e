"""Sockets of a real site end with the sign-in that opened them, whichever process ends it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.site import Site, User

pytestmark = pytest.mark.real

SIGNAL_SECONDS = 2.0
ROUND_SECONDS = 3
CLOSED = (4401, 4410)
"""Signed out, or: come again and ask."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """gunicorn and Daphne behind a proxy."""
    from tests.conftest import site_maker

    options = {"CATMAID_NOTIFY_SESSION_CHECK_SECONDS": ROUND_SECONDS}
    with site_maker(tmp_path_factory)(settings=options) as made:
        made.serve()
        yield made


def log_out(site: Site, user: User) -> None:
    """By a page of the WSGI server."""
    assert site.fetch("/admin/logout/", user, method="POST", data={}).status == 200


LOG_OUT = """
from django.contrib.auth import logout
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory
request = RequestFactory().post("/")
request.user, request.session = get_user_model().objects.get(pk=pk), SessionStore(key)
logout(request)
"""


def change_password(site: Site, user: User) -> None:
    site.run("user = get_user_model().objects.get(pk=pk); user.set_password('b'); user.save()", pk=user)


def deactivate(site: Site, user: User) -> None:
    site.run("user = get_user_model().objects.get(pk=pk); user.is_active = False; user.save()", pk=user)


def delete(site: Site, user: User) -> None:
    site.run("get_user_model().objects.get(pk=pk).delete()", pk=user)


@pytest.mark.parametrize(
    ("act", "code"), [(log_out, 4401), (change_password, 4410), (deactivate, 4401), (delete, 4401)]
)
@pytest.mark.parametrize("v1", [True, False], ids=["v1", "plain"])
def test_signal__closes_at_once(site: Site, act: Callable[[Site, User], None], code: int, *, v1: bool) -> None:
    user = site.user(f"{act.__name__}-{v1}", is_staff=True)
    with site.socket(user, v1=v1) as socket, site.socket(user) as second:
        second.wait_for("hello")
        act(site, user)
        done = time.monotonic()
        assert socket.close_code() == second.close_code() == code
        assert time.monotonic() - done < SIGNAL_SECONDS
    with site.socket(user) as again:
        assert again.close_code() == 4401


def test_signal__other_sessions_of_the_user_stay(site: Site) -> None:
    user = site.user("two-sessions", is_staff=True)
    cookie = site.run(
        """
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.get(pk=pk))
result = client.cookies["sessionid"].value
""",
        pk=user,
    )
    with site.socket(user) as here, site.socket(user, cookie=f"sessionid={cookie}") as elsewhere:
        here.wait_for("hello")
        elsewhere.wait_for("hello")
        log_out(site, user)
        assert here.close_code() == 4401
        site.run("api.notify_user(user, 'For the other one')", user=user)
        assert elsewhere.wait_for("new-message")["payload"]["message_title"] == "For the other one"
        assert [frame["event"] for frame in here.frames] == ["hello"]


SILENTLY = {
    "logout": "from django.contrib.sessions.models import Session; Session.objects.filter(pk=key).delete()",
    "expired": """
from django.contrib.sessions.models import Session
from django.utils import timezone
Session.objects.filter(pk=key).update(expire_date=timezone.now())
""",
    "password": "get_user_model().objects.filter(pk=pk).update(password='b')",
    "deactivated": "get_user_model().objects.filter(pk=pk).update(is_active=False)",
}


def end_silently(site: Site, user: User, how: str) -> None:
    """In a way of which no process hears."""
    site.run(SILENTLY[how], pk=user, key=user.cookie.partition("=")[2])


@pytest.mark.parametrize("how", SILENTLY)
def test_round__closes_what_no_signal_tells(site: Site, how: str) -> None:
    user = site.user(f"silently-{how}")
    with site.socket(user) as socket:
        socket.wait_for("hello")
        end_silently(site, user, how)
        assert socket.close_code(timeout=ROUND_SECONDS + 10) in CLOSED
    with site.socket(user) as again:
        assert again.close_code() == 4401


@pytest.mark.slow
@pytest.mark.parametrize("how", SILENTLY)
def test_round__closes_within_a_minute_by_default(
    make_site: Callable[..., AbstractContextManager[Site]], how: str
) -> None:
    with make_site() as site:
        site.serve()
        user = site.user("ann")
        with site.socket(user) as socket:
            socket.wait_for("hello")
            end_silently(site, user, how)
            assert socket.close_code(timeout=60) in CLOSED


def test_end__closes_at_the_end_of_the_session(site: Site) -> None:
    user = site.user("short")
    code = """
import datetime as dt
from django.contrib.sessions.models import Session
from django.utils import timezone
end = timezone.now() + dt.timedelta(seconds=1.5)
Session.objects.filter(pk=key).update(expire_date=end)
result = end.timestamp()
"""
    end: Any = site.run(code, key=user.cookie.partition("=")[2])
    with site.socket(user) as socket:
        socket.wait_for("hello")
        assert socket.close_code() == 4410
        assert 0 <= time.time() - end < 1


def test_end__frames_stop_with_the_sign_in(site: Site) -> None:
    """Messages come all the while, and what was sent after the logout is not shown.

    One process does both: nothing orders what two of them send.
    """
    user = site.user("busy", is_staff=True)
    with site.socket(user) as socket:
        socket.wait_for("hello")
        for number in range(20):
            site.run("api.msg_user(user, 'tick', number)", user=user, number=number)
        site.run(LOG_OUT, pk=user, key=user.cookie.partition("=")[2])
        for number in range(20, 40):
            site.run("api.msg_user(user, 'tick', number)", user=user, number=number)
        assert socket.close_code() == 4401
        seen = [frame["payload"] for frame in socket.frames if frame["event"] == "tick"]
        assert seen == list(range(20))


# -- Other kinds of users and sessions


def test_signal__user_model_of_the_sites_own(make_site: Callable[..., AbstractContextManager[Site]]) -> None:
    from tests.settings import INSTALLED_APPS

    own = {"AUTH_USER_MODEL": "accounts.Account", "INSTALLED_APPS": [*INSTALLED_APPS, "tests.accounts"]}
    with make_site(settings=own) as site:
        site.daphne()
        for act, code in ((change_password, 4410), (deactivate, 4401), (delete, 4401)):
            user = site.user(f"{act.__name__}@example.org")
            with site.socket(user) as socket:
                assert socket.wait_for("hello")["payload"]["user"] == user.pk
                act(site, user)
                assert socket.close_code() == code
            with site.socket(user) as again:
                assert again.close_code() == 4401


@pytest.mark.parametrize("engine", ["cached_db", pytest.param("file", marks=pytest.mark.slow)])
def test_signal__sessions_elsewhere(make_site: Callable[..., AbstractContextManager[Site]], engine: str) -> None:
    """The cache is one of each process's own memory, so that one process never hears what another one has ended."""
    with make_site(settings={"SESSION_ENGINE": f"django.contrib.sessions.backends.{engine}"}) as site:
        site.serve()
        user = site.user("ann", is_staff=True)
        with site.socket(user) as socket:
            socket.wait_for("hello")
            log_out(site, user)
            assert socket.close_code() == 4401
        with site.socket(user) as again:
            assert again.close_code() == 4401

"""Revalidation of sessions: sockets are closed when their sign-in ends."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, login
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import OperationalError, connections
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from catmaid_notify.auth import sessions
from catmaid_notify.auth import sign_in as sign_in_module
from catmaid_notify.protocol import Close, user_group
from catmaid_notify.realtime import revocation
from catmaid_notify.utils import db_threads
from tests.support.drivers import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from pytest_django import Settings

    from catmaid_notify.auth.sign_in import SignIn
    from catmaid_notify.realtime.hub import Hub
    from tests.support.drivers import Page

pytestmark = pytest.mark.django_db(transaction=True)

in_db = sync_to_async
ENGINES = ("db", "cached_db", "cache", "file")


@pytest.fixture(autouse=True)
def patient(settings: Settings) -> None:
    """Disable periodic rounds."""
    settings.CATMAID_NOTIFY_SESSION_CHECK_SECONDS = 600


@pytest_asyncio.fixture(autouse=True)
async def closing(closing_connections: None) -> AsyncIterator[None]:
    yield
    executor = db_threads._executor
    await asyncio.get_running_loop().run_in_executor(executor, connections.close_all)


def sign_in(user: User) -> Client:
    """Return a browser that is signed in."""
    client = Client()
    client.force_login(user)
    return client


def cookie_of(client: Client) -> str:
    return f"sessionid={client.cookies['sessionid'].value}"


@pytest_asyncio.fixture
async def browser(user: User, db: None) -> Client:
    made: Client = await in_db(sign_in)(user)
    return made


@pytest_asyncio.fixture
async def tab(browser: Client, page: Callable[..., Page]) -> Page:
    """A page in ``browser``."""
    return await page(cookie=cookie_of(browser)).live()


async def stays(tab: Page) -> None:
    """Fail unless the socket is still open after all due checks."""
    assert await tab.frames_before() == []


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of sign-ins at each check."""
    checked: list[int] = []
    recheck = sign_in_module.recheck

    def count(sign_ins: Sequence[SignIn]) -> list[SignIn | Close]:
        checked.append(len(sign_ins))
        return recheck(sign_ins)

    monkeypatch.setattr(sign_in_module, "recheck", count)
    return checked


# -- By order


async def test_order__logout_closes_the_sockets_of_that_session_alone(
    user: User, browser: Client, tab: Page, page: Callable[..., Page]
) -> None:
    second_tab = await page(cookie=cookie_of(browser)).live()
    elsewhere = await page(cookie=cookie_of(await in_db(sign_in)(user))).live()
    await in_db(browser.logout)()
    assert await tab.close_code() == Close.NO_SESSION
    assert await second_tab.close_code() == Close.NO_SESSION
    await stays(elsewhere)


async def test_order__logout_closes_plain_sockets(browser: Client, page: Callable[..., Page], hub: Hub) -> None:
    plain = await page(cookie=cookie_of(browser), v1=False).open()
    await until(lambda: hub.sockets == 1)
    await in_db(browser.logout)()
    assert await plain.close_code() == Close.NO_SESSION


async def test_order__logout_of_others_closes_nothing(other: User, tab: Page) -> None:
    theirs = await in_db(sign_in)(other)
    await in_db(theirs.logout)()
    await stays(tab)


async def test_order__nothing_is_sent_afterwards(user: User, browser: Client, tab: Page, hub: Hub) -> None:
    await in_db(browser.logout)()
    await tab.close_code()
    hub.deliver(user_group(user.pk), {"type": "user.message", "data": '{"event":"a","payload":1}'})
    tab.say("ping", {"nonce": "a"})
    await tab.leave()
    assert tab.received[-1]["type"] == "websocket.close"


async def test_order__somebody_else_signs_in_with_the_same_browser(
    other: User, browser: Client, tab: Page, page: Callable[..., Page], user: User
) -> None:
    elsewhere = await page(cookie=cookie_of(await in_db(sign_in)(user))).live()

    def sign_in_over() -> None:
        request = HttpRequest()
        request.session = browser.session
        request.COOKIES["sessionid"] = str(browser.session.session_key)
        login(request, other)

    await in_db(sign_in_over)()
    assert await tab.close_code() == Close.OTHER_USER
    await stays(elsewhere)


async def test_order__changed_password(user: User, tab: Page) -> None:
    user.set_password("another one")
    await in_db(user.save)()
    assert await tab.close_code() == Close.OTHER_USER


async def test_order__deactivated(user: User, tab: Page) -> None:
    user.is_active = False
    await in_db(user.save)(update_fields=["is_active"])
    assert await tab.close_code() == Close.NO_SESSION


async def test_order__deleted(user: User, tab: Page) -> None:
    await in_db(user.delete)()
    assert await tab.close_code() == Close.NO_SESSION


async def test_order__change_that_keeps_the_session(user: User, tab: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = counted(monkeypatch)
    user.first_name = "Ann"
    await in_db(user.save)()
    await until(lambda: bool(checked))
    await stays(tab)


async def test_order__many_changes_are_one_check(
    user: User, tab: Page, monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    monkeypatch.setattr(revocation, "GRACE_SECONDS", 0.1)
    checked = counted(monkeypatch)
    for _ in range(100):
        hub.deliver(user_group(user.pk), {"type": "user.message", "check": True})
    await until(lambda: bool(checked))
    await stays(tab)
    assert checked == [1]


async def test_order__own_password_changed_on_a_page(browser: Client, user: User, page: Callable[..., Page]) -> None:
    """The page that changed it reconnects with its new session; all others are signed out."""
    elsewhere = await in_db(sign_in)(user)
    theirs, tab = await page(cookie=cookie_of(elsewhere)).live(), await page(cookie=cookie_of(browser)).live()

    def change() -> None:
        user.set_password("another one")
        user.is_staff = True
        user.save()
        browser.force_login(user)

    await in_db(change)()
    assert await tab.close_code() == await theirs.close_code() == Close.OTHER_USER
    await page(cookie=cookie_of(browser)).live()
    assert await (await page(cookie=cookie_of(elsewhere)).open()).close_code() == Close.NO_SESSION


@pytest.mark.parametrize(
    "forged", [{"ended": 7}, {"ended": None}, {"ended": ""}, {"replaced": ""}, {"check": "yes"}, {"check": 1}]
)
async def test_order__malformed_one_closes_nothing(user: User, tab: Page, hub: Hub, forged: dict[str, Any]) -> None:
    hub.deliver(user_group(user.pk), {"type": "user.message", **forged})
    await stays(tab)


async def test_order__is_never_sent_to_clients(user: User, tab: Page, hub: Hub) -> None:
    hub.deliver(user_group(user.pk), {"type": "user.message", "check": True, "data": "secret", "v1": "secret"})
    await stays(tab)


async def test_order__socket_without_a_session(user: User, page: Callable[..., Page], hub: Hub) -> None:
    tab = await page(user=user).live()
    for ended in (sessions.digest(""), "*"):
        hub.deliver(user_group(user.pk), {"type": "user.message", "ended": ended})
    await stays(tab)
    user.set_password("another one")
    await in_db(user.save)()
    assert await tab.close_code() == Close.OTHER_USER


async def test_order__logout_where_clients_keep_the_session(
    user: User, settings: Settings, page: Callable[..., Page]
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    browser = await in_db(sign_in)(user)
    tab = await page(cookie=cookie_of(browser)).live()
    await in_db(browser.logout)()
    assert await tab.close_code() == Close.OTHER_USER  # comes again with what its cookie is now


# -- By the clock


async def ended_at(end: dt.datetime, tab: Page) -> int:
    code = await tab.close_code()
    assert timezone.now() >= end
    return code


async def set_end(seconds: float) -> dt.datetime:
    end = timezone.now() + dt.timedelta(seconds=seconds)
    await in_db(Session.objects.update)(expire_date=end)
    return end


async def test_end__socket_is_closed_when_its_session_expires(browser: Client, page: Callable[..., Page]) -> None:
    end = await set_end(0.5)
    tab = await page(cookie=cookie_of(browser)).live()
    assert await ended_at(end, tab) == Close.OTHER_USER
    assert (timezone.now() - end).total_seconds() < PATIENCE
    assert await (await page(cookie=cookie_of(browser)).open()).close_code() == Close.NO_SESSION


async def test_end__prolonged_meanwhile(browser: Client, page: Callable[..., Page]) -> None:
    await set_end(0.5)
    tab = await page(cookie=cookie_of(browser)).live()
    later = await set_end(1.5)
    assert await ended_at(later, tab) == Close.OTHER_USER


async def test_end__database_is_away(
    browser: Client, page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    def away(_sign_ins: Any) -> Any:
        raise OperationalError("server closed the connection")

    await set_end(0.5)
    tab = await page(cookie=cookie_of(browser)).live()
    monkeypatch.setattr(sign_in_module, "recheck", away)
    assert await tab.close_code() == Close.OTHER_USER
    assert "server closed the connection" in log.text


# -- By rounds


@pytest.fixture
def rounds(settings: Settings) -> None:
    settings.CATMAID_NOTIFY_SESSION_CHECK_SECONDS = 0.2


def log_out_silently(browser: Client) -> None:
    browser.session.delete()


def deactivate_silently(_browser: Client) -> None:
    get_user_model().objects.update(is_active=False)


def change_password_silently(_browser: Client) -> None:
    get_user_model().objects.update(password="md5$a$b")


@pytest.mark.usefixtures("rounds")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("act", "code"),
    [
        (log_out_silently, Close.OTHER_USER),
        (deactivate_silently, Close.NO_SESSION),
        (change_password_silently, Close.OTHER_USER),
    ],
)
async def test_round__finds_what_nobody_has_said(
    user: User,
    settings: Settings,
    page: Callable[..., Page],
    tmp_path: Any,
    engine: str,
    act: Callable[[Client], object],
    code: Close,
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    browser = await in_db(sign_in)(user)
    tab = await page(cookie=cookie_of(browser)).live()
    await in_db(act)(browser)
    assert await tab.close_code() == code
    assert await (await page(cookie=cookie_of(browser)).open()).close_code() == Close.NO_SESSION


@pytest.mark.usefixtures("rounds")
async def test_round__cache_in_front_of_the_database_is_not_believed(
    user: User, settings: Settings, page: Callable[..., Page]
) -> None:
    """Another process has ended the session, so this process's memory cache is out of date."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    browser = await in_db(sign_in)(user)
    tab = await page(cookie=cookie_of(browser)).live()
    await in_db(Session.objects.all().delete)()
    assert await tab.close_code() == Close.OTHER_USER
    assert await (await page(cookie=cookie_of(browser)).open()).close_code() == Close.NO_SESSION


@pytest.mark.usefixtures("rounds")
async def test_round__session_of_somebody_else(
    user: User, other: User, browser: Client, tab: Page, page: Callable[..., Page]
) -> None:
    theirs = await in_db(sign_in)(other)

    def take_over() -> None:
        Session.objects.filter(pk=browser.session.session_key).update(
            session_data=Session.objects.get(pk=theirs.session.session_key).session_data
        )

    await in_db(take_over)()
    assert await tab.close_code() == Close.OTHER_USER
    assert (await (await page(cookie=cookie_of(browser)).open()).frame())["payload"]["user"] == str(other.pk)


@pytest.mark.usefixtures("rounds")
async def test_round__database_that_is_away_closes_nobody(
    tab: Page, browser: Client, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    recheck = sign_in_module.recheck
    failed: list[bool] = []

    def away_once(sign_ins: Any) -> Any:
        if not failed:
            failed.append(True)
            raise OperationalError("server closed the connection")
        return recheck(sign_ins)

    monkeypatch.setattr(sign_in_module, "recheck", away_once)
    await until(lambda: bool(failed))
    await stays(tab)
    await in_db(browser.session.delete)()
    assert await tab.close_code() == Close.OTHER_USER


class OwnBackend(ModelBackend):
    """Authentication backend of a site that fails for some users."""

    errors: ClassVar[dict[Any, Exception]] = {}

    def get_user(self, user_id: Any) -> Any:
        if user_id in self.errors:
            raise self.errors[user_id]
        return super().get_user(user_id)


@pytest.fixture
def errors(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[Any, Exception]:
    """Errors that the site's backend raises, by primary key."""
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.OwnBackend"]
    raised: dict[Any, Exception] = {}
    monkeypatch.setattr(OwnBackend, "errors", raised)
    return raised


@pytest.mark.usefixtures("rounds")
async def test_round__backend_that_fails_for_one_keeps_no_other_unchecked(
    user: User, other: User, page: Callable[..., Page], errors: dict[Any, Exception], log: pytest.LogCaptureFixture
) -> None:
    third = await in_db(User.objects.create_user)("cid")
    browsers = [await in_db(sign_in)(one) for one in (user, other, third)]
    tab, theirs, fine = [await page(cookie=cookie_of(browser)).live() for browser in browsers]
    errors[user.pk] = User.DoesNotExist("what nobody should read")
    assert await tab.close_code() == Close.NO_BROKER
    assert await (await page(cookie=cookie_of(browsers[0])).open()).close_code() == Close.NO_BROKER
    [line] = [record.getMessage() for record in log.records if record.getMessage().startswith("Socket closed")]
    assert line.endswith(f"user='{user.pk}' reason=DoesNotExist")
    await in_db(log_out_silently)(browsers[1])
    assert await theirs.close_code() == Close.OTHER_USER
    await stays(fine)


@pytest.mark.usefixtures("rounds")
async def test_round__backend_that_fails_for_one_while_others_are_known_to_be_gone(
    user: User, other: User, page: Callable[..., Page], errors: dict[Any, Exception]
) -> None:
    """One round; the failing user is the first, the last or in between."""
    tabs = [await page(cookie=cookie_of(await in_db(sign_in)(one))).live() for one in (other, user, other)]

    def end() -> None:
        errors[user.pk] = RuntimeError()
        User.objects.filter(pk=other.pk).update(is_active=False)

    await in_db(end)()
    codes = [await tab.close_code() for tab in tabs]
    assert codes == [Close.NO_SESSION, Close.NO_BROKER, Close.NO_SESSION]


@pytest.mark.usefixtures("rounds")
async def test_round__backend_whose_database_is_away_closes_nobody(
    user: User, page: Callable[..., Page], errors: dict[Any, Exception], log: pytest.LogCaptureFixture
) -> None:
    tab = await page(cookie=cookie_of(await in_db(sign_in)(user))).live()
    errors[user.pk] = OperationalError("server closed the connection")
    await until(lambda: "duty=session checks" in log.text)
    await stays(tab)


@pytest.mark.usefixtures("rounds")
async def test_round__what_fails_for_all_closes_nobody(
    user: User, other: User, page: Callable[..., Page], errors: dict[Any, Exception], log: pytest.LogCaptureFixture
) -> None:
    """For example, the cache that stores the sessions is away."""
    tabs = [await page(cookie=cookie_of(await in_db(sign_in)(one))).live() for one in (user, other)]
    errors.update({user.pk: ConnectionError("what nobody should read"), other.pk: ConnectionError()})
    await until(lambda: "duty=session checks" in log.text)
    assert "nobody should read" not in log.text
    for tab in tabs:
        await stays(tab)
    errors.clear()
    await in_db(User.objects.filter(pk=other.pk).update)(is_active=False)
    assert await tabs[1].close_code() == Close.NO_SESSION


async def test_round__looks_at_all_sockets_at_once(
    user: User, browser: Client, page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    asked: list[int] = []

    def seen(sign_ins: Any) -> Any:
        asked.append(len(sign_ins))
        return list(sign_ins)

    settings.CATMAID_NOTIFY_SESSION_CHECK_SECONDS = 1
    monkeypatch.setattr(sign_in_module, "recheck", seen)
    for _ in range(20):
        await page(cookie=cookie_of(browser)).live()
    await until(lambda: 20 in asked)


async def test_round__costs_nothing_without_sockets(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.CATMAID_NOTIFY_SESSION_CHECK_SECONDS = 0.01

    def never(_sign_ins: Any) -> Any:
        raise AssertionError("The database was asked.")

    monkeypatch.setattr(sign_in_module, "recheck", never)
    until_then = time.monotonic() + 0.1
    await until(lambda: time.monotonic() > until_then)
    assert hub.is_well

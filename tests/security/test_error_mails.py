"""What Django mails to ADMINS when something fails, with all its details: nothing of it is secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError
from django.db.models import Model
from django.db.models.query import QuerySet
from django.views.debug import ExceptionReporter

from catmaid_notify import api
from catmaid_notify.exceptions import InvalidEvent
from catmaid_notify.views import inbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.test import RequestFactory
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

TITLE, TEXT, KEY, TOKEN, PASSWORD = (f"planted-{name}" for name in ("title", "text", "key", "token", "password"))


@pytest.fixture(autouse=True)
def mailing(settings: Settings) -> None:
    settings.DEBUG = False
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "a", "CONFIG": {"username": "site", "password": PASSWORD}}}


def fail(*_arguments: Any, **_options: Any) -> Any:
    raise DatabaseError("the database is away")


def notify_user(user: User, _request: Any) -> None:
    api.notify_user(user, TITLE, text=TEXT)


def notify_users(user: User, _request: Any) -> None:
    api.notify_users([user], TITLE, text=TEXT)


def msg_user(user: User, _request: Any) -> None:
    api.msg_user(user, "event", {"text": TEXT, "object": object()})  # type: ignore[dict-item]


def unread(_user: User, request: Any) -> None:
    inbox.unread(request)


def messages(_user: User, request: Any) -> None:
    inbox.messages(request)


def message_list(_user: User, request: Any) -> None:
    inbox.message_list(request)


@pytest.mark.parametrize("act", [notify_user, notify_users, msg_user, unread, messages, message_list])
def test_mail__shows_no_secret(
    rf: RequestFactory, user: User, monkeypatch: pytest.MonkeyPatch, act: Callable[[User, Any], None]
) -> None:
    api.notify_user(user, TITLE, text=TEXT)
    request = rf.get("/", headers={"X-CSRFToken": TOKEN})
    request.COOKIES = {"sessionid": KEY, "csrftoken": TOKEN}
    request.user = user
    for target, name in ((Model, "save"), (QuerySet, "bulk_create"), (json, "dumps")):
        if name != "dumps" or act in (unread, messages, message_list):
            monkeypatch.setattr(target, name, fail)
    with pytest.raises((DatabaseError, InvalidEvent)):
        act(user, request)
    mail = report(request, act, user)
    assert "the database is away" in mail or "written as JSON" in mail
    for secret in (TITLE, TEXT, KEY, TOKEN, PASSWORD):
        assert secret not in mail


def report(request: Any, act: Callable[[User, Any], None], user: User) -> str:
    """Return the mail, as text and as HTML."""
    try:
        act(user, request)
    except (DatabaseError, InvalidEvent) as error:
        reporter = ExceptionReporter(request, type(error), error, error.__traceback__, is_email=True)
        return reporter.get_traceback_text() + reporter.get_traceback_html()
    raise AssertionError("It did not fail.")


def test_repr__of_a_message_does_not_show_it(user: User) -> None:
    stored = api.notify_user(user, TITLE, text=TEXT)
    assert repr(stored) == f"<Message: {stored.pk}>"

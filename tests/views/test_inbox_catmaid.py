"""CATMAID's three paths: what its own front end asks for, in the shapes that it expects."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.encoding import iri_to_uri

from catmaid_notify.models import Message

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest
    from pytest_django import Settings

    from tests.support.drivers import Pushes

pytestmark = pytest.mark.django_db

DATE = "/messages/latestunreaddate"
LIST = "/messages/list"
PATHS = [DATE, LIST, "/messages/1/mark_read"]


def message(user: User, title: str = "a", **values: Any) -> Message:
    return Message.objects.create(user=user, title=title, **values)


def read_path(pk: object) -> str:
    return f"/messages/{pk}/mark_read"


def seven(request: HttpRequest) -> int:
    """A site's count of open notifications."""
    return 7 if request.user.is_authenticated else 0


# -- All of them


@pytest.mark.parametrize("path", PATHS)
def test_all__not_signed_in(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 401
    assert response.json()["error"]


@pytest.mark.parametrize("path", PATHS)
def test_all__nothing_is_kept_in_caches(signed_in: Client, path: str) -> None:
    response = signed_in.get(path)
    assert "no-store" in response["Cache-Control"]
    assert "private" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


@pytest.mark.parametrize("path", PATHS)
def test_all__401_is_not_kept_in_caches_either(client: Client, path: str) -> None:
    assert "no-store" in client.get(path)["Cache-Control"]


@pytest.mark.parametrize("path", [DATE, LIST])
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_all__other_methods_are_refused(signed_in: Client, path: str, method: str) -> None:
    assert getattr(signed_in, method)(path).status_code == 405


# -- messages/latestunreaddate


def test_latest_unread_date__none(signed_in: Client) -> None:
    assert signed_in.get(DATE).json() == {"latest_unread_date": None}


def test_latest_unread_date__is_the_newest_in_whole_seconds(signed_in: Client, user: User) -> None:
    newest = dt.datetime(2026, 11, 21, 3, 42, 0, 999_999, tzinfo=dt.UTC)
    message(user, time=newest)
    message(user, time=newest - dt.timedelta(days=1))
    assert signed_in.get(DATE).json() == {"latest_unread_date": 1795232520}


def test_latest_unread_date__leaves_read_ones_and_others_out(signed_in: Client, user: User, other: User) -> None:
    message(user, read=True)
    message(other)
    assert signed_in.get(DATE).json() == {"latest_unread_date": None}


# -- messages/list


def test_list__is_an_object_with_numeric_keys_newest_first(signed_in: Client, user: User) -> None:
    now = timezone.now()
    old = message(user, "old", text="t", action="/a/", time=now - dt.timedelta(seconds=1))
    new = message(user, "new", time=now)
    entries = signed_in.get(LIST).json()
    assert entries == {
        "0": {"id": new.pk, "title": "new", "action": "", "text": "", "time": str(new.time)},
        "1": {"id": old.pk, "title": "old", "action": "/a/", "text": "t", "time": str(old.time)},
        "2": {"id": -1, "notification_count": 0},
    }


def test_list__empty_inbox_has_the_count_alone(signed_in: Client) -> None:
    assert signed_in.get(LIST).json() == {"0": {"id": -1, "notification_count": 0}}


def test_list__count_of_the_site(signed_in: Client, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_NOTIFICATION_COUNT = "tests.views.test_inbox_catmaid.seven"
    assert signed_in.get(LIST).json() == {"0": {"id": -1, "notification_count": 7}}


def test_list__leaves_read_ones_and_others_out(signed_in: Client, user: User, other: User) -> None:
    message(user, read=True)
    message(other)
    assert len(signed_in.get(LIST).json()) == 1


def test_list__more_than_ten_stay_in_order(signed_in: Client, user: User) -> None:
    for number in range(12):
        message(user, f"{number}", time=timezone.now() - dt.timedelta(seconds=number))
    entries = signed_in.get(LIST).json()
    assert [entries[f"{index}"].get("title") for index in range(13)] == [*(f"{n}" for n in range(12)), None]


@pytest.mark.parametrize(
    "evil",
    [
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "\"><svg onload='alert(1)'>",
        "&lt;img src=x onerror=alert(1)&gt;",
    ],
)
def test_list__text_is_escaped_and_title_is_not(signed_in: Client, user: User, evil: str) -> None:
    """As CATMAID's client wants it: it makes text nodes of titles, and HTML of texts."""
    message(user, evil, text=evil)
    entry = signed_in.get(LIST).json()["0"]
    assert entry["title"] == evil
    assert not set("<>\"'") & set(entry["text"])
    assert "&amp;lt;" in entry["text"] if evil.startswith("&") else "&lt;" in entry["text"]


def test_list__is_json_that_no_browser_takes_for_a_page(signed_in: Client) -> None:
    response = signed_in.get(LIST)
    assert response["Content-Type"] == "application/json"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_list__many_messages_cost_few_statements(
    signed_in: Client, user: User, django_assert_max_num_queries: Any
) -> None:
    Message.objects.bulk_create(Message(user=user, title="a") for _ in range(1500))
    with django_assert_max_num_queries(3):  # with those for session and user
        entries = signed_in.get(LIST).json()
    assert 100 < len(entries) <= 1501
    assert entries[f"{len(entries) - 1}"]["id"] == -1


# -- messages/<id>/mark_read


@pytest.mark.parametrize("method", ["get", "post"])
def test_mark_read__without_action(signed_in: Client, user: User, method: str) -> None:
    stored = message(user)
    response = getattr(signed_in, method)(read_path(stored.pk))
    assert response.json() == {"success": True}
    stored.refresh_from_db()
    assert stored.read


@pytest.mark.parametrize(
    "action",
    ["/crops/7/", "https://example.org/a?b=c", "/ü?q=é", "/" + "é" * 1999],
    ids=["path", "absolute", "not ascii", "longest"],
)
def test_mark_read__with_action_redirects_there(signed_in: Client, user: User, action: str) -> None:
    stored = message(user, action=action)
    response = signed_in.get(read_path(stored.pk))
    assert response.status_code == 302
    assert response["Location"] == iri_to_uri(action)
    stored.refresh_from_db()
    assert stored.read


@pytest.mark.parametrize("action", ["javascript:alert(1)", "data:text/html,a"])
def test_mark_read__never_redirects_to_a_script(signed_in: Client, user: User, action: str) -> None:
    stored = message(user, action=action)  # not through the API, which refuses it
    response = signed_in.get(read_path(stored.pk))
    assert response.status_code == 400


def test_mark_read__twice_is_fine(signed_in: Client, user: User) -> None:
    stored = message(user)
    signed_in.get(read_path(stored.pk))
    assert signed_in.get(read_path(stored.pk)).json() == {"success": True}


def test_mark_read__only_that_one(signed_in: Client, user: User) -> None:
    stored, kept = message(user), message(user)
    signed_in.get(read_path(stored.pk))
    assert list(Message.objects.unread()) == [kept]


@pytest.mark.django_db(transaction=True)
def test_mark_read__tells_other_pages(signed_in: Client, user: User, pushes: Pushes) -> None:
    stored = message(user)
    signed_in.get(read_path(stored.pk))
    assert [frame["payload"] for frame in pushes.v1] == [{"ids": [stored.pk]}]


@pytest.mark.parametrize("action", ["", "/secret/"])
def test_mark_read__other_peoples_are_unknown_and_stay_unread(signed_in: Client, other: User, action: str) -> None:
    stored = message(other, action=action)
    response = signed_in.get(read_path(stored.pk))
    assert response.status_code == 404
    assert "secret" not in response.text
    stored.refresh_from_db()
    assert not stored.read


@pytest.mark.parametrize(
    "pk", ["0", "2147483648", "9223372036854775807", "9223372036854775808", "1" + "0" * 30, "1" * 5000]
)
def test_mark_read__ids_that_nothing_has(signed_in: Client, pk: str) -> None:
    assert signed_in.get(read_path(pk)).status_code == 404


@pytest.mark.parametrize("pk", ["-1", "a", "1.0", "%00", "%D9%A1", "1%0A", " 1"])
def test_mark_read__what_is_no_id(signed_in: Client, pk: str) -> None:
    assert signed_in.get(read_path(pk)).status_code == 404


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_mark_read__get_from_another_site_changes_nothing(signed_in: Client, user: User, site: str) -> None:
    stored = message(user, action="/a/")
    response = signed_in.get(read_path(stored.pk), headers={"Sec-Fetch-Site": site})
    assert response.status_code == 403
    stored.refresh_from_db()
    assert not stored.read


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_mark_read__get_from_the_site_itself(signed_in: Client, user: User, site: str) -> None:
    stored = message(user)
    assert signed_in.get(read_path(stored.pk), headers={"Sec-Fetch-Site": site}).status_code == 200
    stored.refresh_from_db()
    assert stored.read


def test_mark_read__post_needs_the_csrf_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    stored = message(user)
    assert client.post(read_path(stored.pk)).status_code == 403
    stored.refresh_from_db()
    assert not stored.read


@pytest.mark.parametrize("method", ["head", "options", "put", "delete", "patch"])
def test_mark_read__other_methods_change_nothing(signed_in: Client, user: User, method: str) -> None:
    stored = message(user)
    assert getattr(signed_in, method)(read_path(stored.pk)).status_code == 405
    stored.refresh_from_db()
    assert not stored.read

"""Our own HTTP API: the unread set, pages of the inbox, marking as read."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from catmaid_notify import api
from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.views import inbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.test.client import _MonkeyPatchedWSGIResponse as Response
    from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

    from tests.support.drivers import Pushes

pytestmark = pytest.mark.django_db

UNREAD = "/notify/unread"
MESSAGES = "/notify/messages"
READ = "/notify/read"


def message(user: User, title: str = "a", **values: Any) -> Message:
    return Message.objects.create(user=user, title=title, **values)


def messages(user: User, count: int, **values: Any) -> list[int]:
    made = Message.objects.bulk_create(Message(user=user, title=f"{number}", **values) for number in range(count))
    return [each.pk for each in made]


def post(client: Client, body: Any, **options: Any) -> Response:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post(READ, data, content_type="application/json", **options)


def unread_pks(user: User) -> set[int]:
    return set(Message.objects.for_user(user.pk).unread().values_list("pk", flat=True))


# -- All of them


def test_urls__have_the_names_of_the_contract() -> None:
    names = {"unread": UNREAD, "messages": MESSAGES, "read": READ}
    assert {name: reverse(f"catmaid_notify:{name}") for name in names} == names


@pytest.mark.parametrize(("method", "path"), [("get", UNREAD), ("get", MESSAGES), ("post", READ)])
def test_all__not_signed_in(client: Client, method: str, path: str) -> None:
    response = getattr(client, method)(path)
    assert response.status_code == 401
    assert response.json()["error"]
    assert "no-store" in response["Cache-Control"]
    assert "ETag" not in response


@pytest.mark.parametrize("path", [UNREAD, MESSAGES])
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_all__state_is_not_changed_by_other_methods(signed_in: Client, path: str, method: str) -> None:
    assert getattr(signed_in, method)(path).status_code == 405


@pytest.mark.parametrize("path", [UNREAD, MESSAGES])
def test_all__head_is_get_without_the_body(signed_in: Client, path: str) -> None:
    response = signed_in.head(path)
    assert response.status_code == 200
    assert not response.content


# -- notify/unread


def test_unread__empty(signed_in: Client, user: User) -> None:
    assert signed_in.get(UNREAD).json() == {
        "user": f"{user.pk}",
        "count": 0,
        "more": False,
        "messages": [],
        "tasks": [],
    }


def test_unread__newest_first(signed_in: Client, user: User) -> None:
    now = timezone.now()
    late = message(user, "late", time=now)
    early = message(user, "early", time=now - dt.timedelta(seconds=1))  # its transaction took longer
    answer = signed_in.get(UNREAD).json()
    assert answer["messages"] == [late.as_dict(), early.as_dict()]
    assert answer["count"] == 2


def test_unread__leaves_read_ones_and_others_out(signed_in: Client, user: User, other: User) -> None:
    message(user, read=True)
    message(other)
    TaskProgress.objects.create(task_id="t", user=other, title="theirs")
    answer = signed_in.get(UNREAD).json()
    assert (answer["count"], answer["messages"], answer["tasks"]) == (0, [], [])


def test_unread__text_is_as_it_was_stored(signed_in: Client, user: User) -> None:
    message(user, "<b>", text="<script>&amp;")
    [shown] = signed_in.get(UNREAD).json()["messages"]
    assert (shown["title"], shown["text"]) == ("<b>", "<script>&amp;")


def test_unread__running_tasks(signed_in: Client, user: User) -> None:
    row = TaskProgress.objects.create(task_id="t", user=user, title="Crop", done=3, total=64, text="slice 3")
    assert signed_in.get(UNREAD).json()["tasks"] == [row.as_dict()]


def test_unread__sends_the_newest_100_and_counts_the_rest(signed_in: Client, user: User) -> None:
    pks = messages(user, 150)
    answer = signed_in.get(UNREAD).json()
    assert [shown["id"] for shown in answer["messages"]] == sorted(pks, reverse=True)[:100]
    assert (answer["count"], answer["more"]) == (150, False)


@pytest.mark.parametrize(("stored", "more"), [(1000, False), (1001, True), (1500, True)])
def test_unread__counts_up_to_1000(signed_in: Client, user: User, stored: int, more: bool) -> None:  # noqa: FBT001
    messages(user, stored)
    answer = signed_in.get(UNREAD).json()
    assert (answer["count"], answer["more"]) == (1000, more)


def test_unread__caches_must_ask_and_keep_users_apart(signed_in: Client) -> None:
    response = signed_in.get(UNREAD)
    directives = {directive.strip() for directive in response["Cache-Control"].split(",")}
    assert directives == {"private", "no-cache"}
    assert "Cookie" in response["Vary"]
    assert response["ETag"]


def test_unread__keeps_users_apart_whatever_the_middleware_does(user: User, rf: RequestFactory) -> None:
    request = rf.get(UNREAD)
    request.user = user
    assert "Cookie" in inbox.unread(request)["Vary"]


def not_modified(client: Client, etag: str) -> Response:
    return client.get(UNREAD, headers={"If-None-Match": etag})


def test_unread__304_while_nothing_changes(signed_in: Client, user: User) -> None:
    message(user)
    etag = signed_in.get(UNREAD)["ETag"]
    response = not_modified(signed_in, etag)
    assert response.status_code == 304
    assert not response.content
    assert response["ETag"] == etag
    assert "private" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


def test_unread__304_for_the_weak_etag_of_a_compressing_proxy(signed_in: Client) -> None:
    assert not_modified(signed_in, f"W/{signed_in.get(UNREAD)['ETag']}").status_code == 304


@pytest.mark.parametrize("etag", ["", '""', "*x", '"other"', "other", "W/"])
def test_unread__other_etags_get_it_all(signed_in: Client, etag: str) -> None:
    assert not_modified(signed_in, etag).status_code == 200


def test_unread__304_costs_less_statements(
    signed_in: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    messages(user, 200)
    etag = signed_in.get(UNREAD)["ETag"]
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 4):
        not_modified(signed_in, etag)


def out_of_order(user: User) -> None:
    """Let a message appear whose id and time are below those of one that was seen: its transaction took longer."""
    newest = Message.objects.latest("id")
    newest_pk, newest_time = newest.pk, newest.time
    message(user, "between", id=newest_pk - 5, time=newest_time - dt.timedelta(seconds=20))


def task(user: User, **values: Any) -> None:
    TaskProgress.objects.update_or_create(task_id="t", defaults={"user": user, "title": "Crop", **values})


CHANGES: dict[str, Callable[[User], object]] = {
    "a message more": lambda user: message(user),
    "a message with a lower id": out_of_order,
    "one is read": lambda user: api.mark_read(user, [Message.objects.latest("id").pk]),
    "the oldest is read": lambda user: api.mark_read(user, [Message.objects.earliest("id").pk]),
    "all are read": lambda user: api.mark_read(user),
    "one is deleted": lambda user: Message.objects.filter(pk=Message.objects.latest("id").pk).delete(),
    "one is unread again": lambda user: Message.objects.filter(title="read").update(read=False),
    "one is swapped for another": lambda user: (api.mark_read(user, [Message.objects.latest("id").pk]), message(user)),
    "an old one is swapped for another old one": lambda user: (
        api.mark_read(user, [Message.objects.earliest("id").pk]),
        Message.objects.filter(title="read").update(read=False),
    ),
    "a task starts": lambda user: TaskProgress.objects.create(task_id="u", user=user, title="Crop"),
    "a task moves": lambda user: task(user, done=2, updated=timezone.now()),
    "a task ends": lambda user: TaskProgress.objects.all().delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_unread__every_change_breaks_the_etag(signed_in: Client, user: User, change: Callable[[User], object]) -> None:
    message(user, "first", id=1_000_000)
    message(user, "read", read=True, id=1_000_010)
    message(user, "last", id=1_000_020)
    task(user, done=1)
    etag = signed_in.get(UNREAD)["ETag"]
    change(user)
    response = not_modified(signed_in, etag)
    assert response.status_code == 200
    assert response["ETag"] != etag


def test_unread__changes_of_others_keep_the_etag(signed_in: Client, user: User, other: User) -> None:
    etag = signed_in.get(UNREAD)["ETag"]
    message(other)
    message(user, read=True)
    assert not_modified(signed_in, etag).status_code == 304


def test_unread__etag_of_another_user_is_not_ours(client: Client, user: User, other: User) -> None:
    client.force_login(user)
    etag = client.get(UNREAD)["ETag"]
    client.force_login(other)
    response = not_modified(client, etag)
    assert response.status_code == 200
    assert response.json()["user"] == f"{other.pk}"


def test_unread__number_of_statements_does_not_grow(
    signed_in: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    messages(user, 500)
    for number in range(20):
        TaskProgress.objects.create(task_id=f"{number}", user=user, title="Crop")
    with django_assert_num_queries(6):  # session, user, unread ids, times of tasks, messages, tasks
        signed_in.get(UNREAD)


# -- notify/messages


def test_messages__read_and_unread_newest_first(signed_in: Client, user: User, other: User) -> None:
    one, two = message(user, read=True), message(user)
    message(other)
    assert signed_in.get(MESSAGES).json() == {
        "user": f"{user.pk}",
        "messages": [two.as_dict(), one.as_dict()],
        "next": None,
    }


def test_messages__pages_hold_each_message_once(signed_in: Client, user: User) -> None:
    pks = messages(user, 23)
    seen: list[int] = []
    before = ""
    while True:
        page = signed_in.get(f"{MESSAGES}?limit=10{before}").json()
        seen += [shown["id"] for shown in page["messages"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == sorted(pks, reverse=True)


@pytest.mark.parametrize(("stored", "full"), [(9, False), (10, False), (11, True)])
def test_messages__next_only_where_there_is_more(signed_in: Client, user: User, stored: int, full: bool) -> None:  # noqa: FBT001
    messages(user, stored)
    page = signed_in.get(f"{MESSAGES}?limit=10").json()
    assert (page["next"] is not None) == full


def test_messages__new_ones_do_not_shift_the_pages(signed_in: Client, user: User) -> None:
    pks = sorted(messages(user, 6), reverse=True)
    first = signed_in.get(f"{MESSAGES}?limit=3").json()
    message(user)
    second = signed_in.get(f"{MESSAGES}?limit=3&before={first['next']}").json()
    assert [shown["id"] for shown in second["messages"]] == pks[3:]


def test_messages__before_may_be_anything_that_is_no_message(signed_in: Client, user: User, other: User) -> None:
    one, theirs, three = message(user), message(other), message(user)
    page = signed_in.get(f"{MESSAGES}?before={theirs.pk}").json()
    assert [shown["id"] for shown in page["messages"]] == [one.pk]
    page = signed_in.get(f"{MESSAGES}?before={2**63 - 1}").json()
    assert [shown["id"] for shown in page["messages"]] == [three.pk, one.pk]


def test_messages__read_and_unread_ones_apart(signed_in: Client, user: User, other: User) -> None:
    read, unread = sorted(messages(user, 5, read=True), reverse=True), sorted(messages(user, 5), reverse=True)
    messages(other, 3, read=True)
    for query, expected in ((f"read=1&before={unread[-1]}", read), ("read=0", unread), ("read=", unread + read)):
        found: list[int] = []
        page = signed_in.get(f"{MESSAGES}?limit=2&{query}").json()
        found += [shown["id"] for shown in page["messages"]]
        while page["next"] is not None:
            page = signed_in.get(f"{MESSAGES}?limit=2&{query.partition('&')[0]}&before={page['next']}").json()
            found += [shown["id"] for shown in page["messages"]]
        assert found == expected, query


def test_messages__page_size_is_a_setting(signed_in: Client, user: User, settings: Settings) -> None:
    messages(user, 60)
    assert len(signed_in.get(MESSAGES).json()["messages"]) == 50
    settings.CATMAID_NOTIFY_PAGE_SIZE = 7
    assert len(signed_in.get(MESSAGES).json()["messages"]) == 7


def test_messages__page_size_above_what_a_client_may_ask(signed_in: Client, user: User, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_PAGE_SIZE = 500
    message(user)
    assert len(signed_in.get(MESSAGES).json()["messages"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=1e2",
        "limit=a",
        "limit=1.5",
        "limit=%D9%A1",
        "limit=" + "1" * 5000,
        "before=-1",
        "before=0",
        "before=a",
        "before=9223372036854775808",
        "before=" + "1" * 5000,
        "before=%00",
        "before=%D9%A1",
        "before=1%0A",
        "before= 1",
        "read=2",
        "read=true",
    ],
)
def test_messages__bad_query(signed_in: Client, query: str) -> None:
    response = signed_in.get(f"{MESSAGES}?{query}")
    assert response.status_code == 400
    assert response.json()["error"]


def test_messages__are_not_kept_in_caches(signed_in: Client) -> None:
    response = signed_in.get(MESSAGES)
    assert "no-store" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


def test_messages__number_of_statements_does_not_grow(
    signed_in: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    messages(user, 300)
    with django_assert_num_queries(3):  # session, user, messages
        signed_in.get(f"{MESSAGES}?limit=200")


# -- notify/read


def test_read__ids(signed_in: Client, user: User) -> None:
    one, two, three = messages(user, 3)
    response = post(signed_in, {"ids": [one, two]})
    answer = response.json()
    assert (answer["user"], sorted(answer["read"]), answer["count"]) == (f"{user.pk}", [one, two], 1)
    assert unread_pks(user) == {three}


def test_read__answers_with_what_changed(signed_in: Client, user: User) -> None:
    one, two = messages(user, 2)
    post(signed_in, {"ids": [one]})
    assert post(signed_in, {"ids": [one, two, two]}).json()["read"] == [two]


def test_read__all(signed_in: Client, user: User, other: User) -> None:
    messages(user, 3)
    theirs = message(other)
    assert post(signed_in, {"all": True}).json() == {"user": f"{user.pk}", "read": "all", "count": 0}
    assert unread_pks(user) == set()
    assert unread_pks(other) == {theirs.pk}


def test_read__all_of_very_many(signed_in: Client, user: User) -> None:
    messages(user, 5000)
    assert post(signed_in, {"all": True}).status_code == 200
    assert unread_pks(user) == set()


def test_read__count_goes_up_to_1000(signed_in: Client, user: User) -> None:
    pks = messages(user, 1100)
    assert post(signed_in, {"ids": pks[:10]}).json()["count"] == 1000


def test_read__no_ids(signed_in: Client, user: User) -> None:
    kept = message(user)
    assert post(signed_in, {"ids": []}).json() == {"user": f"{user.pk}", "read": [], "count": 1}
    assert unread_pks(user) == {kept.pk}


def test_read__other_peoples_ids_change_nothing(signed_in: Client, user: User, other: User) -> None:
    theirs = message(other)
    assert post(signed_in, {"ids": [theirs.pk]}).json()["read"] == []
    assert unread_pks(other) == {theirs.pk}


@pytest.mark.parametrize("pk", [2**31, 2**63 - 1])
def test_read__ids_that_nothing_has(signed_in: Client, pk: int) -> None:
    assert post(signed_in, {"ids": [pk]}).json()["read"] == []


@pytest.mark.django_db(transaction=True)
def test_read__tells_other_pages(signed_in: Client, user: User, pushes: Pushes) -> None:
    one, _two = messages(user, 2)
    post(signed_in, {"ids": [one]})
    post(signed_in, {"all": True})
    assert [frame["payload"] for frame in pushes.v1] == [{"ids": [one]}, {"all": True}]


def test_read__largest_request_still_fits_a_push(
    signed_in: Client, user: User, pushes: Pushes, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    largest = [2**63 - 1 - number for number in range(1000)]
    Message.objects.bulk_create(Message(id=pk, user=user, title="a") for pk in largest)
    with django_capture_on_commit_callbacks(execute=True):
        assert post(signed_in, {"ids": largest}).status_code == 200
    assert len(pushes) == 1


BAD_BODIES: dict[str, Any] = {
    "empty": b"",
    "no json": b"ids=1",
    "half": b'{"ids": [1',
    "not utf-8": b"\xff\xfe{",
    "depth": b"[" * 100_000,
    "depth in ids": b'{"ids":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "digits": b'{"ids": [' + b"1" * 5000 + b"]}",
    "null": None,
    "number": 1,
    "text": '"ids"',
    "list": [1],
    "nothing asked": {},
    "other keys": {"id": 1},
    "ids null": {"ids": None},
    "ids number": {"ids": 1},
    "ids text": {"ids": "12"},
    "ids object": {"ids": {"1": 1}},
    "text id": {"ids": ["1"]},
    "null id": {"ids": [None]},
    "true id": {"ids": [True]},
    "fraction": {"ids": [1.0]},
    "nan": b'{"ids": [NaN]}',
    "infinity": b'{"ids": [1e999]}',
    "nested": {"ids": [[1]]},
    "negative": {"ids": [-1]},
    "zero": {"ids": [0]},
    "too large": {"ids": [2**63]},
    "one bad": {"ids": [1, 2, -1]},
    "too many": {"ids": list(range(1, 10_001))},
    "all false": {"all": False},
    "all 1": {"all": 1},
    "all text": {"all": "true"},
    "both": {"all": True, "ids": [1]},
    "all and none": {"all": True, "ids": []},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_read__bad_body(signed_in: Client, user: User, body: Any) -> None:
    kept = messages(user, 2)
    response = post(signed_in, body)
    assert response.status_code == 400
    assert response.json()["error"]
    assert unread_pks(user) == set(kept)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ids", "all", "x"]), inner),
        max_leaves=6,
    )
)
@hypothesis_settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
def test_read__any_json_is_answered(signed_in: Client, body: Any) -> None:
    assert post(signed_in, json.dumps(body)).status_code in (200, 400)


@given(st.binary(max_size=30))
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_read__any_bytes_are_answered(signed_in: Client, body: bytes) -> None:
    assert post(signed_in, body).status_code in (200, 400)


def test_read__body_above_djangos_limit(signed_in: Client) -> None:
    assert post(signed_in, b'{"ids": [' + b" " * 3_000_000 + b"]}").status_code in (400, 413)


def test_read__get_changes_nothing(signed_in: Client, user: User) -> None:
    kept = message(user)
    assert signed_in.get(f"{READ}?all=true").status_code == 405
    assert unread_pks(user) == {kept.pk}


@pytest.fixture
def strict(user: User) -> Client:
    """A client for which Django checks tokens, with a session and a token cookie."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.cookies["csrftoken"] = "x" * 32
    return client


def test_read__needs_the_csrf_token(strict: Client, user: User) -> None:
    kept = message(user)
    assert post(strict, {"all": True}).status_code == 403
    assert unread_pks(user) == {kept.pk}


def test_read__takes_the_csrf_token_from_the_header(strict: Client, user: User) -> None:
    message(user)
    assert post(strict, {"all": True}, headers={"X-CSRFToken": "x" * 32}).status_code == 200


def test_read__refuses_a_wrong_csrf_token(strict: Client, user: User) -> None:
    message(user)
    assert post(strict, {"all": True}, headers={"X-CSRFToken": "y" * 32}).status_code == 403


def test_read__is_not_kept_in_caches(signed_in: Client) -> None:
    assert "no-store" in post(signed_in, {"ids": []})["Cache-Control"]

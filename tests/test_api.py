"""The functions for host code: what they store, and what they push and when."""

from __future__ import annotations

import importlib
import json
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async
from channels.exceptions import ChannelFull
from django.contrib.auth.models import AnonymousUser, Group
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe

from catmaid_notify import api, push
from catmaid_notify.exceptions import InvalidEvent, InvalidMessage, UnknownUser
from catmaid_notify.models import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from tests.support.drivers import Pushes

pytestmark = pytest.mark.django_db

commits = pytest.mark.django_db(transaction=True)
"""For what depends on real commits: such a test is not inside of a transaction."""

IS_POSTGRESQL = connection.vendor == "postgresql"


class Undone(Exception):
    """Rolls a transaction back."""


@contextmanager
def undone() -> Iterator[None]:
    """A transaction, or a savepoint within one, that an exception rolls back."""
    with suppress(Undone), transaction.atomic():
        yield
        raise Undone


def group_of(user: User) -> str:
    return f"updates-{user.pk}"


def titles(user: User) -> list[str]:
    return list(Message.objects.for_user(user.pk).order_by("id").values_list("title", flat=True))


@pytest.fixture
def users(django_user_model: type[User]) -> list[User]:
    """A hundred users."""
    return django_user_model.objects.bulk_create(django_user_model(username=f"u{number}") for number in range(100))


# -- notify_user: the row


def test_notify_user__stores_all(user: User) -> None:
    returned = api.notify_user(user, "A title", text="A text", action="/a/", level="warning", key="k")
    stored = Message.objects.get()
    assert stored == returned
    assert (stored.user, stored.title, stored.text, stored.action) == (user, "A title", "A text", "/a/")
    assert (stored.level, stored.key, stored.read) == ("warning", "k", False)


def test_notify_user__defaults(user: User) -> None:
    stored = api.notify_user(user, "a")
    assert (stored.text, stored.action, stored.level, stored.key, stored.read) == ("", "", "info", None, False)


@pytest.mark.parametrize("form", ["instance", "pk", "text", "lazy"])
def test_notify_user__forms_of_a_user(form: str, user: User) -> None:
    given: Any = {"instance": user, "pk": user.pk, "text": str(user.pk), "lazy": SimpleLazyObject(lambda: user)}[form]
    assert api.notify_user(given, "a").user_id == user.pk


BAD_USERS: dict[str, Any] = {
    "none": None,
    "true": True,
    "false": False,
    "empty": "",
    "name": "ann",
    "exponent": "1e0",
    "nul": "\0",
    "bytes": b"ann",
    "fraction": 1.5,
    "nan": float("nan"),
    "infinity": float("inf"),
    "empty list": [],
    "list": [1],
    "dictionary": {"pk": 1},
    "object": object(),
    "anonymous": AnonymousUser(),
    "other model": Group(pk=1),
    "lazy name": lazystr("ann"),
    "class": Message,
}
bad_users = pytest.mark.parametrize("bad", BAD_USERS.values(), ids=BAD_USERS)


@bad_users
def test_notify_user__what_is_no_user(bad: Any) -> None:
    with pytest.raises(UnknownUser):
        api.notify_user(bad, "a")


def test_notify_user__unsaved_user(django_user_model: type[User]) -> None:
    with pytest.raises(UnknownUser):
        api.notify_user(django_user_model(username="new"), "a")


@pytest.mark.parametrize(
    "pk",
    [0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**5000],
    ids=lambda pk: f"{pk % 10**6}-{pk.bit_length()}",
)
def test_notify_user__nobody_has_that_key(pk: int) -> None:
    with pytest.raises(UnknownUser):
        api.notify_user(pk, "a")


@commits
@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("pk", [0, 2**31, 2**63, 10**30])
def test_notify_user__nobody_has_that_key__outside_of_a_transaction(pk: int, key: str | None) -> None:
    with pytest.raises(UnknownUser):
        api.notify_user(pk, "a", key=key)


@commits
@pytest.mark.parametrize("key", [None, "k"])
def test_notify_user__deleted_user(user: User, django_user_model: type[User], key: str | None) -> None:
    django_user_model.objects.all().delete()  # the instance does not know
    with pytest.raises(UnknownUser, match="deleted"):
        api.notify_user(user, "a", key=key)


@commits
def test_notify_user__unknown_key_in_a_transaction_is_found_on_the_spot(user: User) -> None:
    with transaction.atomic():
        with pytest.raises(UnknownUser):
            api.notify_user(user.pk + 1, "a")
        api.notify_user(user, "goes on")
    assert titles(user) == ["goes on"]


@pytest.mark.parametrize(
    "bad",
    [
        {"title": ""},
        {"title": "a\0"},
        {"title": "\ud800"},
        {"title": b"a"},
        {"title": None},
        {"title": "x" * 256},
        {"text": "x" * 1_000_000},
        {"text": "\0"},
        {"action": "javascript:alert(1)"},
        {"action": "//evil.example"},
        {"action": "/\\evil.example"},
        {"action": "/\t/evil.example"},
        {"level": "loud"},
        {"key": 7},
        {"key": "x" * 256},
    ],
    ids=lambda bad: f"{next(iter(bad))} {next(iter(bad.values()))!r:.20}",
)
def test_notify_user__bad_content_costs_no_statement(user: User, bad: dict[str, Any], pushes: Pushes) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(InvalidMessage):
        api.notify_user(user, **{"title": "a", **bad})
    assert not queries
    assert not pushes


def test_notify_user__lazy_and_safe_strings(user: User) -> None:
    lazy: Any = lazystr("finished")
    stored = api.notify_user(user, lazy, text=mark_safe("<b>"))
    stored.refresh_from_db()
    assert (stored.title, stored.text) == ("finished", "<b>")


@pytest.mark.parametrize("text", ["\u202eevil", "🧠", "a\r\nb", "ﬀ", "e\u0301", "' OR 1=1 --", "%s %(a)s", "\x01\x7f"])
def test_notify_user__text_comes_back_as_it_is(user: User, text: str) -> None:
    api.notify_user(user, text, text=text)
    assert titles(user) == [text]


def test_notify_user__is_one_statement(user: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        api.notify_user(user, "a")
    assert len(queries) == 1


# -- notify_user: the push


@commits
def test_notify_user__pushes_to_the_users_group(user: User, pushes: Pushes) -> None:
    stored = api.notify_user(user, "A <title>", text="t", action="/a/", level="error")
    [(group, message)] = pushes
    assert group == group_of(user)
    assert message["id"] == stored.pk
    assert json.loads(message["v1"])["payload"]["message"] == Message.objects.get().as_dict()
    assert json.loads(message["data"])["payload"]["message_title"] == "A &lt;title&gt;"


@commits
def test_notify_user__row_is_there_when_it_is_pushed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(push, "transport", lambda: lambda _group, _message: seen.append(titles(user)))
    api.notify_user(user, "a")
    assert seen == [["a"]]


@commits
def test_notify_user__in_a_transaction_pushes_after_commit(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        stored = api.notify_user(user, "a")
        assert not pushes
    assert pushes.ids == [stored.pk]


@commits
def test_notify_user__rollback_stores_and_pushes_nothing(user: User, pushes: Pushes) -> None:
    with undone():
        api.notify_user(user, "a")
    assert not pushes
    assert not titles(user)


@commits
def test_notify_user__set_rollback_stores_and_pushes_nothing(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        api.notify_user(user, "a")
        transaction.set_rollback(True)
    assert not pushes
    assert not titles(user)


@commits
def test_notify_user__savepoint_rollback_takes_only_its_own(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        before = api.notify_user(user, "before")
        with undone():
            api.notify_user(user, "undone")
        after = api.notify_user(user, "after")
    assert pushes.ids == [before.pk, after.pk]
    assert titles(user) == ["before", "after"]


@commits
def test_notify_user__manual_savepoint_rollback(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        savepoint = transaction.savepoint()
        api.notify_user(user, "undone")
        transaction.savepoint_rollback(savepoint)
    assert not titles(user)
    assert not pushes


@commits
def test_notify_user__nested_atomic_waits_for_the_outermost(user: User, pushes: Pushes) -> None:
    with transaction.atomic(), transaction.atomic():
        with transaction.atomic():
            api.notify_user(user, "a")
        assert not pushes
        assert titles(user) == ["a"]
    assert len(pushes) == 1


@commits
def test_notify_user__nested_atomic_undone_from_outside(user: User, pushes: Pushes) -> None:
    with undone(), transaction.atomic():
        api.notify_user(user, "a")
    assert not pushes
    assert not titles(user)


@commits
def test_notify_user__atomic_requests(user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.handlers.base import BaseHandler

    def view(request: HttpRequest) -> HttpResponse:
        api.notify_user(user, "a")
        assert not pushes
        raise Undone

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", value=True)
    with pytest.raises(Undone):
        BaseHandler().make_view_atomic(view)(HttpRequest())
    assert not pushes
    assert not titles(user)


@commits
def test_notify_user__order_of_pushes_is_that_of_the_calls(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        stored = [api.notify_user(user, f"{number}").pk for number in range(20)]
    assert pushes.ids == stored


@commits
@pytest.mark.parametrize("error", [ChannelFull, ConnectionError, RuntimeError, KeyError, AssertionError])
def test_notify_user__layer_that_fails_is_no_error(
    user: User, error: type[Exception], monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    def fails(group: str, message: dict[str, Any]) -> None:
        raise error("the layer")

    monkeypatch.setattr(push, "transport", lambda: fails)
    for _ in range(3):
        api.notify_user(user, "a")
    assert titles(user) == ["a"] * 3
    assert [record.levelname for record in log.records if record.levelname != "DEBUG"] == ["WARNING"]


def test_notify_user__as_in_a_sites_own_tests(
    user: User, pushes: Pushes, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        api.notify_user(user, "a")
    assert len(pushes) == 1


# -- notify_user: keys


@commits
def test_notify_user__key_gives_one_message_and_one_push(user: User, pushes: Pushes) -> None:
    first = api.notify_user(user, "first", key="k")
    second = api.notify_user(user, "second", key="k")
    assert first == second
    assert second.title == "first"
    assert titles(user) == ["first"]
    assert pushes.ids == [first.pk]


@commits
def test_notify_user__key_in_a_transaction_leaves_it_usable(user: User, pushes: Pushes) -> None:
    api.notify_user(user, "first", key="k")
    with transaction.atomic():
        api.notify_user(user, "second", key="k")
        api.notify_user(user, "third")
    assert titles(user) == ["first", "third"]
    assert len(pushes) == 2


@commits
def test_notify_user__key_of_a_rolled_back_message_is_free(user: User, pushes: Pushes) -> None:
    with undone():
        api.notify_user(user, "first", key="k")
    api.notify_user(user, "second", key="k")
    assert titles(user) == ["second"]
    assert len(pushes) == 1


def test_notify_user__key_counts_for_read_messages_too(user: User) -> None:
    api.notify_user(user, "first", key="k")
    api.mark_read(user)
    assert api.notify_user(user, "second", key="k").title == "first"


def test_notify_user__key_is_each_users_own(user: User, other: User) -> None:
    api.notify_user(user, "a", key="k")
    api.notify_user(other, "a", key="k")
    assert Message.objects.count() == 2


if IS_POSTGRESQL:  # SQLite has no two writers at a time

    @commits
    def test_notify_user__key_from_two_transactions_at_once(user: User, pushes: Pushes) -> None:
        entered = threading.Event()
        results: list[Message] = []

        def second() -> None:
            entered.set()
            results.append(api.notify_user(user.pk, "second", key="k"))
            connection.close()

        thread = threading.Thread(target=second)
        with transaction.atomic():
            first = api.notify_user(user, "first", key="k")
            thread.start()
            assert entered.wait(5)
            thread.join(0.2)  # it can only wait for our commit
            assert not results
        thread.join(5)
        assert results == [first]
        assert pushes.ids == [first.pk]


# -- notify_users


def test_notify_users__one_message_each(users: list[User]) -> None:
    assert api.notify_users(users, "A title", text="t", action="/a/", level="success") == 100
    stored = Message.objects.all()
    assert {message.user_id for message in stored} == {user.pk for user in users}
    assert {(m.title, m.text, m.action, m.level) for m in stored} == {("A title", "t", "/a/", "success")}


@commits
def test_notify_users__pushes_to_each_group(users: list[User], pushes: Pushes) -> None:
    api.notify_users(users, "a")
    assert pushes.groups == [group_of(user) for user in users]
    assert sorted(pushes.ids) == sorted(Message.objects.values_list("pk", flat=True))


@commits
def test_notify_users__pushes_what_was_stored(user: User, pushes: Pushes) -> None:
    api.notify_users([user], "a")
    assert pushes.v1[0]["payload"]["message"] == Message.objects.get().as_dict()


def test_notify_users__duplicates_count_once(user: User, other: User) -> None:
    assert api.notify_users([user, user.pk, str(user.pk), other, user], "a") == 2
    assert Message.objects.count() == 2


def test_notify_users__nobody(pushes: Pushes) -> None:
    assert api.notify_users([], "a") == 0
    assert not pushes


def test_notify_users__queryset(users: list[User], django_user_model: type[User]) -> None:
    assert api.notify_users(django_user_model.objects.filter(username__startswith="u1"), "a") == 11


def test_notify_users__queryset_is_read_for_its_keys_alone(users: list[User], django_user_model: type[User]) -> None:
    with CaptureQueriesContext(connection) as queries:
        api.notify_users(django_user_model.objects.all(), "a")
    assert "username" not in queries.captured_queries[0]["sql"]


@pytest.mark.parametrize(
    "form",
    ["only", "sliced", "prefetched", "joined twice", "values_list", "evaluated", "union"],
)
def test_notify_users__forms_of_querysets(
    users: list[User], django_user_model: type[User], form: str, group_of_users: Group
) -> None:
    everybody = django_user_model.objects.order_by("pk")
    queryset: Any = {
        "only": everybody.only("username"),
        "sliced": everybody[:7],
        "prefetched": everybody.prefetch_related("groups").select_related(),
        "joined twice": everybody.filter(groups__name__in=["g", "h"]),
        "values_list": everybody.values_list("pk", flat=True),
        "evaluated": everybody.all(),
        "union": everybody.order_by().union(everybody.order_by()),
    }[form]
    if form == "evaluated":
        len(queryset)
    expected = {"sliced": 7, "joined twice": 3}.get(form, 100)
    assert api.notify_users(queryset, "a") == expected


@pytest.fixture
def group_of_users(users: list[User]) -> Group:
    """Two groups with the same three users."""
    groups = [Group.objects.create(name=name) for name in "gh"]
    for group in groups:
        group.user_set.add(*users[:3])
    return groups[0]


def test_notify_users__generator_is_read_as_it_comes(users: list[User]) -> None:
    assert api.notify_users((user.pk for user in users), "a") == 100


def test_notify_users__deleted_ones_are_left_out_and_logged(
    users: list[User], django_user_model: type[User], log: pytest.LogCaptureFixture
) -> None:
    django_user_model.objects.filter(pk__in=[users[3].pk, users[5].pk]).delete()
    assert api.notify_users(users, "a") == 98
    assert "count=2" in log.text


@pytest.mark.parametrize("pk", [0, -1, 2**31, 2**63, 10**30])
def test_notify_users__keys_that_nobody_has_are_left_out(user: User, pk: int) -> None:
    assert api.notify_users([pk, user], "a") == 1


@bad_users
def test_notify_users__what_is_no_user(user: User, bad: Any) -> None:
    with pytest.raises(UnknownUser):
        api.notify_users([user, bad], "a")


@pytest.mark.parametrize("form", ["instance", "pk", "text", "bytes"])
def test_notify_users__one_user_is_not_many(user: User, form: str) -> None:
    forms: dict[str, Any] = {"instance": user, "pk": user.pk, "text": str(user.pk), "bytes": bytes([user.pk % 256])}
    with pytest.raises((UnknownUser, TypeError)):  # above all, a text is not the keys of its digits
        api.notify_users(forms[form], "a")


def test_notify_users__bad_content_costs_no_statement(users: list[User]) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(InvalidMessage):
        api.notify_users(users, "a", action="javascript:alert(1)")
    assert not queries


@commits
def test_notify_users__rollback_stores_and_pushes_nothing(users: list[User], pushes: Pushes) -> None:
    with undone():
        api.notify_users(users, "a")
        assert not pushes
    assert not pushes
    assert not Message.objects.exists()


@commits
def test_notify_users__batches_before_a_failure_are_pushed(
    users: list[User], pushes: Pushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BATCH", 40)

    def source() -> Iterator[User]:
        yield from users[:60]
        raise Undone

    with pytest.raises(Undone):
        api.notify_users(source(), "a")
    assert len(pushes) == Message.objects.count()
    assert len(pushes) in (40, 60)


def many(model: type[User], count: int) -> list[int]:
    made = model.objects.bulk_create(model(username=f"m{number}") for number in range(count))
    return [user.pk for user in made]


def test_notify_users__constant_number_of_statements_per_1000(django_user_model: type[User]) -> None:
    pks = many(django_user_model, 3000)
    counts = []
    for batches in (1, 2, 3):
        with CaptureQueriesContext(connection) as queries:
            api.notify_users(pks[: 1000 * batches], "a")
        counts.append(len(queries))
    assert counts[1] == 2 * counts[0]
    assert counts[2] == 3 * counts[0]
    assert counts[0] < 20


def test_notify_users__inserts_per_1000(django_user_model: type[User]) -> None:
    pks = many(django_user_model, 1000)
    with CaptureQueriesContext(connection) as queries:
        api.notify_users(pks, "a")
    inserts = [query for query in queries.captured_queries if query["sql"].startswith("INSERT")]
    assert len(inserts) == 1 if IS_POSTGRESQL else len(inserts) < 15


def test_notify_users__holds_one_batch_at_a_time(users: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BATCH", 10)
    ahead = []

    def source() -> Iterator[User]:
        for number, user in enumerate(users):
            ahead.append(number - Message.objects.count())
            yield user

    api.notify_users(source(), "a")
    assert max(ahead) <= 11


# -- mark_read


def test_mark_read__returns_what_changed(user: User) -> None:
    one, two = api.notify_user(user, "1"), api.notify_user(user, "2")
    assert api.mark_read(user, [one.pk]) == [one.pk]
    assert api.mark_read(user, [one.pk, two.pk]) == [two.pk]
    assert api.mark_read(user, [one.pk, two.pk]) == []


def test_mark_read__other_peoples_stay_unread(user: User, other: User) -> None:
    theirs = api.notify_user(other, "theirs")
    assert api.mark_read(user, [theirs.pk]) == []
    assert api.mark_read(user) == []
    assert list(Message.objects.unread()) == [theirs]


@pytest.mark.parametrize("ids", [[0], [-1], [2**63], [10**30], []])
def test_mark_read__ids_that_nothing_has(user: User, ids: list[int]) -> None:
    assert api.mark_read(user, ids) == []


@commits
def test_mark_read__tells_our_own_pages_only(user: User, pushes: Pushes) -> None:
    stored = [api.notify_user(user, "1").pk, api.notify_user(user, "2").pk]
    pushes.clear()
    api.mark_read(user, stored)
    [(group, message)] = pushes
    assert group == group_of(user)
    assert not message.get("data")
    assert pushes.v1[0]["event"] == "message-read"
    assert sorted(pushes.v1[0]["payload"]["ids"]) == stored


@commits
def test_mark_read__all_is_told_as_all(user: User, pushes: Pushes) -> None:
    api.notify_user(user, "1")
    pushes.clear()
    api.mark_read(user)
    assert [frame["payload"] for frame in pushes.v1] == [{"all": True}]


@commits
def test_mark_read__nothing_changed_is_not_told(user: User, pushes: Pushes) -> None:
    api.mark_read(user)
    api.mark_read(user, [1])
    assert not pushes


@commits
def test_mark_read__rollback_is_not_told(user: User, pushes: Pushes) -> None:
    stored = api.notify_user(user, "1")
    pushes.clear()
    with undone():
        api.mark_read(user, [stored.pk])
    assert not pushes
    assert Message.objects.unread().exists()


@commits
def test_mark_read__more_ids_than_a_push_holds(user: User, pushes: Pushes, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_PAYLOAD_BYTES_MAX = 200
    stored = [api.notify_user(user, f"{number}").pk for number in range(100)]
    pushes.clear()
    assert sorted(api.mark_read(user, stored)) == stored  # done, so no error
    assert pushes.events("message-read")


# -- msg_user


@commits
def test_msg_user__sends_to_both_dialects(user: User, pushes: Pushes) -> None:
    api.msg_user(user, "crop-done", {"id": 7})
    assert pushes.groups == [group_of(user)]
    assert pushes.plain == [{"event": "crop-done", "payload": {"id": 7}}]
    assert pushes.v1 == [{"event": "crop-done", "payload": {"id": 7}}]


@commits
def test_msg_user__payload_may_be_missing(user: User, pushes: Pushes) -> None:
    api.msg_user(user.pk, "crop-done")
    assert pushes.plain == [{"event": "crop-done", "payload": None}]


@commits
def test_msg_user__stores_nothing(user: User, pushes: Pushes) -> None:
    with CaptureQueriesContext(connection) as queries:
        api.msg_user(user, "crop-done")
    assert not queries
    assert len(pushes) == 1


@commits
def test_msg_user__waits_for_the_commit(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        api.msg_user(user, "crop-done")
        assert not pushes
    assert len(pushes) == 1


@commits
def test_msg_user__rollback_sends_nothing(user: User, pushes: Pushes) -> None:
    with undone():
        api.msg_user(user, "crop-done")
    assert not pushes


@commits
def test_msg_user__payload_is_taken_as_it_is_now(user: User, pushes: Pushes) -> None:
    payload = {"step": 1}
    with transaction.atomic():
        api.msg_user(user, "crop-done", payload)
        payload["step"] = 2
    assert pushes.v1[0]["payload"] == {"step": 1}


@pytest.mark.parametrize("event", ["hello", "ping", "task-progress", "", "a\n", None, "x" * 101])
def test_msg_user__bad_event(user: User, event: Any) -> None:
    with pytest.raises(InvalidEvent):
        api.msg_user(user, event)


@commits
def test_msg_user__catmaids_own_new_message_is_free(user: User, pushes: Pushes) -> None:
    api.msg_user(user, "new-message", {"message_id": 1, "message_title": "a"})
    assert len(pushes) == 1


@pytest.mark.parametrize("payload", [b"a", object, float("nan"), "\ud800", {1: object}], ids=ascii)
def test_msg_user__bad_payload(user: User, payload: Any) -> None:
    with pytest.raises(InvalidEvent):
        api.msg_user(user, "crop-done", payload)


@pytest.mark.parametrize("payload", ["x" * 65_536, "ü" * 32_768, ["🧠"] * 15_000])
def test_msg_user__too_large_payload(user: User, payload: Any) -> None:
    with pytest.raises(InvalidEvent, match="PAYLOAD_BYTES_MAX"):
        api.msg_user(user, "crop-done", payload)


@bad_users
def test_msg_user__what_is_no_user(bad: Any) -> None:
    with pytest.raises(UnknownUser):
        api.msg_user(bad, "crop-done")


@commits
@pytest.mark.parametrize("pk", [2**63, 10**100, 10**5000], ids=["2**63", "10**100", "10**5000"])
def test_msg_user__huge_key_reaches_nobody(pk: int, pushes: Pushes) -> None:
    try:
        api.msg_user(pk, "crop-done")
    except UnknownUser:
        return
    assert all(group.isascii() for group in pushes.groups)


# -- Async twins


@commits
@pytest.mark.usefixtures("closing_connections")
async def test_async__twins_do_the_same(user: User, pushes: Pushes) -> None:
    stored = await api.anotify_user(user, "a", key="k")
    assert await api.anotify_users([user.pk], "b") == 1
    await api.amsg_user(user, "crop-done")
    assert await api.amark_read(user, [stored.pk]) == [stored.pk]
    assert [frame["event"] for frame in pushes.v1] == ["new-message", "new-message", "crop-done", "message-read"]
    assert await sync_to_async(titles)(user) == ["a", "b"]


@commits
@pytest.mark.usefixtures("closing_connections")
async def test_async__errors_are_the_same(user: User) -> None:
    with pytest.raises(InvalidMessage):
        await api.anotify_user(user, "")
    with pytest.raises(UnknownUser):
        await api.anotify_user(user.pk + 1, "a")
    with pytest.raises(InvalidEvent):
        await api.amsg_user(user, "hello")


# -- The module


def test_all__names_exist() -> None:
    module = importlib.import_module("catmaid_notify.api")
    assert all(hasattr(module, name) for name in module.__all__)
    assert {"notify_user", "notify_users", "msg_user", "anotify_user", "anotify_users", "amsg_user"} <= set(
        module.__all__
    )


def test_errors__database_errors_are_djangos(user: User, monkeypatch: pytest.MonkeyPatch, pushes: Pushes) -> None:
    from django.db import OperationalError

    def away(*_args: Any) -> None:
        raise OperationalError("server closed the connection")

    with connection.execute_wrapper(away), pytest.raises(DatabaseError):
        api.notify_user(user, "a")
    assert not pushes


def test_notify_users__nobody_is_there_any_more(pushes: Pushes, log: pytest.LogCaptureFixture) -> None:
    assert api.notify_users([10**6], "Hello") == 0
    assert pushes == []


@pytest.mark.django_db(transaction=True)
def test_notify_user__database_that_fails_after_the_commit_is_nobodys_error(
    user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is stored; the next poll finds it."""

    def fail(_messages: Any) -> None:
        raise DatabaseError("away")

    done: list[str] = []
    monkeypatch.setattr(api, "_push_stored", fail)
    with transaction.atomic():
        api.notify_user(user, "Hello")
        transaction.on_commit(lambda: done.append("the site's own"))
    assert done == ["the site's own"]
    assert Message.objects.for_user(user.pk).count() == 1

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from catmaid_notify.models import Message, TaskProgress, iso

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db


def message(user: User, title: str = "a", **values: Any) -> Message:
    return Message.objects.create(user=user, title=title, **values)


def progress(user: User, task_id: str = "t", **values: Any) -> TaskProgress:
    return TaskProgress.objects.create(task_id=task_id, user=user, title="Crop", **values)


def test_migrations__are_complete() -> None:
    call_command("makemigrations", "catmaid_notify", check=True, dry_run=True, verbosity=0)


def test_message__has_its_time_when_it_is_stored(user: User) -> None:
    before = timezone.now() - dt.timedelta(seconds=5)
    stored = message(user)
    assert before < stored.time < timezone.now() + dt.timedelta(seconds=5)


def test_message__bulk_created_ones_have_ids_and_times(user: User) -> None:
    stored = Message.objects.bulk_create([Message(user=user, title="a"), Message(user=user, title="b")])
    assert all(each.pk for each in stored)
    assert all(isinstance(each.time, dt.datetime) for each in stored)


def test_message__same_key_of_one_user_is_refused(user: User) -> None:
    message(user, key="crop:7")
    with pytest.raises(IntegrityError), transaction.atomic():
        message(user, key="crop:7")


def test_message__same_key_of_two_users_is_fine(user: User, other: User) -> None:
    message(user, key="crop:7")
    message(other, key="crop:7")


def test_message__without_key_there_is_no_limit(user: User) -> None:
    message(user)
    message(user)


def test_message__goes_with_its_user(user: User) -> None:
    message(user)
    user.delete()
    assert not Message.objects.exists()


def test_message__is_called_by_its_title(user: User) -> None:
    assert str(message(user, "Crop finished")) == "Crop finished"


def test_as_dict__is_what_clients_get(user: User) -> None:
    stored = message(user, "A title", text="A text", action="/a/", level="success")
    stored.time = dt.datetime(2026, 11, 21, 3, 42, 0, 123456, tzinfo=dt.UTC)
    assert stored.as_dict() == {
        "id": stored.pk,
        "time": "2026-11-21T03:42:00.123456Z",
        "title": "A title",
        "text": "A text",
        "action": "/a/",
        "level": "success",
        "read": False,
    }


def test_as_layer_message__v1_frame(user: User) -> None:
    stored = message(user, "<b>A</b> & B")
    assert json.loads(stored.as_layer_message()["v1"]) == {
        "event": "new-message",
        "id": stored.pk,
        "payload": {"message_id": stored.pk, "message_title": "<b>A</b> & B", "message": stored.as_dict()},
    }


def test_as_layer_message__plain_frame_has_the_title_escaped_and_nothing_else(user: User) -> None:
    stored = message(user, "<img src=x onerror=alert('1')>\"&", text="A text")
    assert json.loads(stored.as_layer_message()["data"] or "") == {
        "event": "new-message",
        "payload": {
            "message_id": stored.pk,
            "message_title": "&lt;img src=x onerror=alert(&#x27;1&#x27;)&gt;&quot;&amp;",
        },
    }


def test_as_layer_message__is_catmaids(user: User) -> None:
    stored = message(user)
    assert stored.as_layer_message()["type"] == "user.message"
    assert stored.as_layer_message()["id"] == stored.pk


def test_iso__is_utc_with_microseconds() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    assert iso(dt.datetime(2026, 11, 21, 1, 0, tzinfo=zone)) == "2026-11-20T23:00:00.000000Z"


def test_iso__sorts_as_text() -> None:
    start = dt.datetime(2026, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    times = [start + dt.timedelta(microseconds=step) for step in (0, 1, 10, 999_999, 1_000_000)]
    assert sorted(map(iso, times)) == list(map(iso, times))


def test_unread__leaves_read_ones_out(user: User) -> None:
    message(user, read=True)
    kept = message(user)
    assert list(Message.objects.for_user(user.pk).unread()) == [kept]


def test_for_user__leaves_others_out(user: User, other: User) -> None:
    message(other)
    kept = message(user)
    assert list(Message.objects.for_user(user.pk)) == [kept]


def test_newest_first__goes_by_time_then_id(user: User) -> None:
    now = timezone.now()
    one, two = message(user, time=now), message(user, time=now)
    newest = message(user, time=now + dt.timedelta(seconds=1))
    oldest = message(user, time=now - dt.timedelta(seconds=1))
    assert list(Message.objects.newest_first()) == [newest, two, one, oldest]


def test_created_within__goes_by_the_databases_clock(user: User) -> None:
    now = timezone.now()
    message(user, time=now - dt.timedelta(seconds=61))
    kept = message(user, time=now - dt.timedelta(seconds=50))
    assert list(Message.objects.created_within(60)) == [kept]


def test_mark_read__returns_what_was_unread(user: User) -> None:
    read, unread = message(user, read=True), message(user)
    assert Message.objects.for_user(user.pk).mark_read([read.pk, unread.pk]) == [unread.pk]


def test_mark_read__keeps_to_its_set(user: User, other: User) -> None:
    theirs = message(other)
    assert Message.objects.for_user(user.pk).mark_read([theirs.pk]) == []
    theirs.refresh_from_db()
    assert not theirs.read


def test_mark_read__all_of_the_set(user: User, other: User) -> None:
    ours, theirs = {message(user).pk, message(user).pk}, message(other)
    assert set(Message.objects.for_user(user.pk).mark_read()) == ours
    theirs.refresh_from_db()
    assert not theirs.read


def test_mark_read__nothing_to_do_writes_nothing(user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        assert Message.objects.for_user(user.pk).mark_read() == []


def test_unread__is_found_by_an_index(user: User) -> None:
    Message.objects.bulk_create(Message(user=user, title="a", read=True) for _ in range(200))
    unread = Message.objects.for_user(user.pk).unread().newest_first()[:100]
    if connection.vendor == "sqlite":  # PostgreSQL takes none for so few rows
        assert "catmaid_notify_unread" in unread.explain()
        assert "TEMP B-TREE" not in unread.explain()


def test_progress__as_dict(user: User) -> None:
    row = progress(user, done=3, total=64.5, text="slice 3", updated=dt.datetime(2026, 11, 21, tzinfo=dt.UTC))
    assert row.as_dict() == {
        "id": "t",
        "title": "Crop",
        "state": "running",
        "done": 3,
        "total": 64.5,
        "text": "slice 3",
        "updated": "2026-11-21T00:00:00.000000Z",
    }


def test_progress__whole_numbers_are_written_without_a_fraction(user: User) -> None:
    assert json.dumps(progress(user, done=3, total=64).as_dict()["done"]) == "3"


def test_progress__shown_to__leaves_others_and_silent_ones_out(user: User, other: User, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_PROGRESS_KEEP_SECONDS = 100
    now = timezone.now()
    progress(other, "theirs")
    progress(user, "silent", updated=now - dt.timedelta(seconds=101))
    kept = progress(user, "kept", updated=now - dt.timedelta(seconds=90))
    assert list(TaskProgress.objects.shown_to(user.pk)) == [kept]


def test_progress__shown_to__oldest_first(user: User) -> None:
    now = timezone.now()
    progress(user, "b", started=now)
    progress(user, "a", started=now + dt.timedelta(seconds=1))
    assert [row.pk for row in TaskProgress.objects.shown_to(user.pk)] == ["b", "a"]


def test_progress__goes_with_its_user(user: User) -> None:
    progress(user)
    user.delete()
    assert not TaskProgress.objects.exists()


def test_progress__is_readable(user: User) -> None:
    assert str(progress(user, done=3, total=64)) == "Crop: 3 of 64"

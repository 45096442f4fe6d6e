"""Queries whose SQL is made once: what they return is what Django's own do."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, connections, models, transaction
from django.db.models import Value
from django.db.models.signals import post_save
from django.utils import timezone

from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.utils import sql_cache
from catmaid_notify.utils.sql_cache import Parameter, Prepared

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

SINCE = Parameter("since", TaskProgress._meta.get_field("updated"))
USER = Parameter("user", TaskProgress._meta.get_field("user"))


@pytest.fixture
def tasks(user: User, other: User) -> list[TaskProgress]:
    """Tasks of ``user``, the newest first, and one of somebody else."""
    now = timezone.now()
    TaskProgress.objects.create(task_id="theirs", user=other, title="Theirs")
    return [
        TaskProgress.objects.create(task_id=f"{n}", user=user, title=f"Crop {n}", updated=now - dt.timedelta(minutes=n))
        for n in range(3)
    ]


def test_rows__are_those_of_django_whatever_types_they_have(user: User, tasks: list[TaskProgress]) -> None:
    """SQLite has text for times and 0 for false, and Django makes Python's types of both."""
    columns = ["task_id", "updated", "done", "user_id", "user__is_active", "user__last_login"]
    expected = list(TaskProgress.objects.filter(user=user).order_by("updated").values_list(*columns))
    rows = Prepared(TaskProgress.objects.filter(user_id=USER).order_by("updated").values_list(*columns))
    assert rows.rows("default", user=user.pk) == expected
    assert [list(map(type, row)) for row in expected] == [
        list(map(type, row)) for row in rows.rows("default", user=user.pk)
    ]


def test_rows__each_call_gives_its_values(user: User, other: User, tasks: list[TaskProgress]) -> None:
    of_user = Prepared(TaskProgress.objects.filter(user_id=USER, updated__gt=SINCE).values_list("task_id"))
    ago = timezone.now() - dt.timedelta(seconds=90)
    assert sorted(of_user.rows("default", user=user.pk, since=ago)) == [("0",), ("1",)]
    assert of_user.rows("default", user=other.pk, since=ago) == [("theirs",)]
    assert of_user.rows("default", user=other.pk, since=timezone.now() + dt.timedelta(days=1)) == []


def test_rows__a_value_is_never_sql(user: User, tasks: list[TaskProgress]) -> None:
    by_title = Prepared(
        TaskProgress.objects.filter(title=Parameter("title", TaskProgress._meta.get_field("title"))).values_list("pk")
    )
    for title in ("' OR 1=1 --", "%s", "%(title)s", "Crop 1' --"):
        assert by_title.rows("default", title=title) == []
    assert by_title.rows("default", title="Crop 1") == [("1",)]


def test_rows__a_value_goes_to_the_driver_as_its_field_wants_it() -> None:
    """A UUID is text for SQLite."""
    field = models.UUIDField()
    parameter = Parameter("one", field)
    assert parameter.as_sql(None, connection)[1] == [parameter]
    assert parameter.output_field is field


def test_rows__the_sql_is_made_once(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    of_user = Prepared(TaskProgress.objects.filter(user_id=USER).values_list("task_id"))
    of_user.rows("default", user=user.pk)

    def made_again(*_: Any, **__: Any) -> Any:
        raise AssertionError("The SQL is made again.")

    monkeypatch.setattr("django.db.models.sql.compiler.SQLCompiler.as_sql", made_again)
    of_user.rows("default", user=user.pk)


def test_rows__nothing_of_a_thread_is_kept(user: User) -> None:
    """Connections belong to threads; one that is kept by a query would never be closed."""
    of_user = Prepared(TaskProgress.objects.filter(user_id=USER).values_list("task_id", "updated"))
    of_user.rows("default", user=user.pk)
    sql, parameters, columns = of_user._made["default"]
    kept = [sql, *parameters, *columns, *[value for column in columns for value in vars(column).values()]]
    assert not any(isinstance(one, type(connections["default"])) for one in kept)


# -- Many at once


def _queries(user: User) -> list[sql_cache.BoundQuery]:
    of_user = Prepared(TaskProgress.objects.filter(user_id=USER).order_by("updated").values_list("task_id", "updated"))
    is_active = Prepared(get_user_model().objects.filter(pk=Parameter("pk", USER.field)).values_list("is_active"))
    return [
        of_user.bind("default", user=user.pk),
        of_user.bind("default", user=-1),
        is_active.bind("default", pk=user.pk),
    ]


def test_fetch_many__by_one_round_trip_where_the_driver_can(
    user: User, tasks: list[TaskProgress], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    expected = [query.rows() for query in _queries(user)]
    assert [len(rows) for rows in expected] == [3, 0, 1]
    queries = _queries(user)
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 3):
        fetched = sql_cache.fetch_many(queries)
        assert [query.rows(fetched) for query in queries] == expected


def test_fetch_many__what_was_not_asked_is_asked(user: User, other: User, tasks: list[TaskProgress]) -> None:
    queries = _queries(user)
    fetched = sql_cache.fetch_many(queries)
    assert queries[0].prepared.bind("default", user=other.pk).rows(fetched)[0][0] == "theirs"


def test_fetch_many__only_for_those_who_are_given_its_rows(user: User, tasks: list[TaskProgress]) -> None:
    query = _queries(user)[0]
    sql_cache.fetch_many([query])
    TaskProgress.objects.all().delete()
    assert query.rows() == []


def test_fetch_many__nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert sql_cache.fetch_many([]) == {}


def test_fetch_many__an_instance(user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    query = sql_cache.instance(get_user_model()._default_manager, "pk", user.pk)
    assert query is not None
    with django_assert_num_queries(1):
        fetched = sql_cache.fetch_many([query])
        assert list(sql_cache.instances(get_user_model()._default_manager, "pk", [user.pk], fetched)) == [user]


def test_fetch_many__statements_one_by_one_where_the_server_puts_the_values_in(
    user: User, tasks: list[TaskProgress], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes one statement at a time then."""
    monkeypatch.setattr(connection.features, "uses_server_side_binding", True, raising=False)
    queries = _queries(user)
    fetched = sql_cache.fetch_many(queries)
    TaskProgress.objects.all().delete()
    assert queries[0].rows(fetched) == []


# -- Instances


def test_instances__one_is_as_django_gives_it(user: User) -> None:
    [found] = sql_cache.instances(get_user_model()._default_manager, "pk", [user.pk])
    plain = get_user_model()._default_manager.get(pk=user.pk)
    assert found == plain
    assert {name: value for name, value in vars(found).items() if name != "_state"} == {
        name: value for name, value in vars(plain).items() if name != "_state"
    }
    assert not found._state.adding
    assert found._state.db == "default"


def test_instances__none_and_many(user: User, other: User) -> None:
    users = get_user_model()._default_manager
    assert list(sql_cache.instances(users, "pk", [0])) == []
    assert set(sql_cache.instances(users, "pk", [user.pk, other.pk, 0])) == {user, other}


@pytest.mark.parametrize("count", [1, 2])
def test_instances__one_query(user: User, count: int, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        list(sql_cache.instances(get_user_model()._default_manager, "pk", [user.pk, 0][:count]))


def test_instances__a_manager_that_hides_rows_hides_them_here_too(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    class Visible(models.Manager[Any]):
        def get_queryset(self) -> models.QuerySet[Any]:
            return super().get_queryset().exclude(username="ann")

    visible = Visible()
    visible.model = get_user_model()
    assert list(sql_cache.instances(visible, "pk", [user.pk])) == []


def test_instances__by_another_field() -> None:
    Session.objects.create(session_key="k", session_data="", expire_date=timezone.now())
    [found] = sql_cache.instances(Session.objects, "session_key", ["k"])
    assert found.pk == "k"


# -- Rows to insert


GIVEN: dict[str, dict[str, Any]] = {
    "no more than needed": {"title": "Crop"},
    "everything": {"title": "C'rop %s", "text": "\n", "action": "/a", "level": "error", "read": True, "key": "k"},
    "a time of its own": {"title": "Crop", "time": dt.datetime(2020, 2, 29, 12, 0, 0, 5, tzinfo=dt.UTC)},
    "an id of its own": {"title": "Crop", "id": 4_000_000},
    "an expression": {"title": Value("Crop")},
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_insert__is_as_django_does_it(user: User, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Message(user=user, **given)
    ours.save(force_insert=True)
    stored = Message.objects.get(pk=ours.pk)
    ours_again = Message.objects.values().get(pk=ours.pk)
    assert isinstance(ours.time, dt.datetime)
    assert stored.time == ours.time
    assert not ours._state.adding
    assert ours._state.db == "default"
    Message.objects.all().delete()
    monkeypatch.delattr(Message, "_do_insert")
    plain = Message(user=user, **given)
    plain.save(force_insert=True)
    plain_again = Message.objects.values().get(pk=plain.pk)
    for changing in ("id", "time"):
        if changing not in given:
            del ours_again[changing], plain_again[changing]
    assert ours_again == plain_again


def test_insert__the_sql_is_made_once(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    Message.objects.create(user=user, title="Crop")

    def made_again(*_: Any, **__: Any) -> Any:
        raise AssertionError("The SQL is made again.")

    monkeypatch.setattr("django.db.models.sql.compiler.SQLInsertCompiler.as_sql", made_again)
    message = Message.objects.create(user=user, title="Another crop")
    assert Message.objects.get(pk=message.pk).title == "Another crop"


def test_insert__database_that_returns_nothing(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left to Django."""
    monkeypatch.setattr(sql_cache, "_inserts", {})
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)
    fields = [field for field in Message._meta.concrete_fields if field.name != "id"]
    message = Message(user=user, title="Crop")
    assert sql_cache.insert(message, "default", fields, Message._meta.db_returning_fields) is None
    assert not Message.objects.exists()


def test_insert__signals_and_errors_are_those_of_django(user: User) -> None:
    seen = []

    def saved(sender: Any, instance: Message, created: bool, **_: Any) -> None:  # noqa: FBT001 - Django's signature
        seen.append((sender, instance.pk, created))

    post_save.connect(saved, sender=Message)
    try:
        message = Message.objects.create(user=user, title="Crop", key="k")
    finally:
        post_save.disconnect(saved, sender=Message)
    assert seen == [(Message, message.pk, True)]
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(user=user, title="Crop", key="k")
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            Message.objects.create(user=user, title="Crop", key="k")
        assert connection.needs_rollback
        transaction.set_rollback(True)

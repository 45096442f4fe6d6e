"""The last values over HTTP, rows that are published when they change, and who is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save

from catmaid_notify import api, topics
from catmaid_notify.changes import publish_changes
from catmaid_notify.models import Presence, SocketServer
from catmaid_notify.realtime.presence_writer import FORGET_SECONDS, PresenceWriter
from catmaid_notify.utils import db_threads
from tests.support.drivers import Pushes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import Settings

pytestmark = [pytest.mark.usefixtures("declared"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def declared() -> Iterator[None]:
    """Some topics, for one test: one for everybody, one for nobody, one that keeps nothing."""
    topics.register("open:<name>", may_follow=lambda _user, name: True, keep_seconds=60)
    topics.register("closed:<name>", may_follow=lambda _user, name: False, keep_seconds=60)
    topics.register("brief", may_follow=bool)
    yield
    for pattern in ("open:<name>", "closed:<name>", "brief"):
        topics.unregister(pattern)


def get(client: Client, *names: str, **headers: Any) -> Any:
    return client.get("/notify/topics", {"topic": names}, headers=headers)


# -- Over HTTP


def test_values__of_those_that_may_be_followed(signed_in: Client, pushes: Pushes, user: User) -> None:
    for name in ("open:a", "open:b", "closed:a", "brief"):
        api.publish(name, "value", name)
    answer = get(signed_in, "open:a", "open:c", "closed:a", "brief", "nope", "open:a")
    assert answer.json() == {"user": str(user.pk), "values": [pushes.v1[0]], "refused": ["closed:a", "nope"]}
    assert answer["Cache-Control"] == "private, no-cache"
    assert "Cookie" in answer["Vary"]


def test_values__304_until_one_changes(signed_in: Client, pushes: Pushes) -> None:
    api.publish("open:a", "value", 1)
    etag = get(signed_in, "open:a")["ETag"]
    assert get(signed_in, "open:a", if_none_match=etag).status_code == 304
    assert get(signed_in, "open:b", if_none_match=etag).status_code == 200
    api.publish("open:a", "value", 1)
    assert get(signed_in, "open:a", if_none_match=etag).status_code == 200


def test_values__anonymous(client: Client) -> None:
    assert get(client, "open:a").status_code == 401


def test_values__not_more_than_a_hundred(signed_in: Client) -> None:
    assert len(get(signed_in, *(f"closed:{number}" for number in range(120))).json()["refused"]) == 100


def test_values__nothing_asked(signed_in: Client) -> None:
    assert get(signed_in).json()["values"] == []


# -- Rows


@pytest.fixture
def as_before() -> Iterator[None]:
    """What a test publishes is not published by others."""
    before = [(signal, list(signal.receivers or ())) for signal in (post_save, post_delete)]
    yield
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


@pytest.fixture
def groups_published(as_before: None) -> None:
    """Django groups stand for a site's model."""
    publish_changes(Group, topic=lambda group: None if group.name == "secret" else "open:groups", fields=["name"])


@pytest.mark.usefixtures("groups_published")
def test_changes__saved_and_deleted_after_commit(pushes: Pushes) -> None:
    with transaction.atomic():
        group = Group.objects.create(name="a")
        pk = group.pk
        assert pushes == []
    group.delete()
    frames = [(frame["event"], frame["payload"]) for frame in pushes.v1]
    assert frames == [("saved", {"id": pk, "name": "a"}), ("deleted", {"id": pk, "name": "a"})]


@pytest.mark.usefixtures("groups_published")
def test_changes__none_is_no_topic(pushes: Pushes) -> None:
    Group.objects.create(name="secret")
    assert pushes == []


@pytest.mark.usefixtures("as_before")
def test_changes__of_one_model_into_several_topics(pushes: Pushes) -> None:
    def own(group: Group) -> str:
        return f"open:{group.name}"

    publish_changes(Group, topic="open:groups", fields=["name"])
    publish_changes(Group, topic=own, fields=["name"])
    publish_changes(Group, topic=own, fields=["id"])
    group = Group.objects.create(name="a")
    assert [(frame["topic"], frame["payload"]) for frame in pushes.v1] == [
        ("open:groups", {"id": group.pk, "name": "a"}),
        ("open:a", {"id": group.pk, "name": "a"}),
        ("open:a", {"id": group.pk}),
    ]
    group.delete()
    assert [frame["topic"] for frame in pushes.v1[3:]] == ["open:groups", "open:a", "open:a"]


@pytest.mark.usefixtures("as_before")
def test_changes__said_twice_are_published_once(pushes: Pushes) -> None:
    for _ in range(2):
        publish_changes(Group, topic="open:groups", fields=["name"])
    Group.objects.create(name="a")
    assert len(pushes) == 1


def test_changes__field_that_is_not_there() -> None:
    with pytest.raises(ImproperlyConfigured, match="has no field nope"):
        publish_changes(Group, topic="open:groups", fields=["name", "nope"])


# -- Presence


@pytest_asyncio.fixture
async def writer(closing_connections: None) -> AsyncIterator[PresenceWriter]:
    yield PresenceWriter()
    await db_threads.ask(connections.close_all)


async def written(writer: PresenceWriter) -> None:
    await writer._write(beat=True)


async def test_presence__comes_and_goes(writer: PresenceWriter, user: User, other: User) -> None:
    writer.add(user.pk)
    writer.add(user.pk)
    writer.add(user.pk, "open:a")
    await written(writer)
    assert (await api.ais_online(user), await api.ais_online(other)) == (True, False)
    assert await api.asocket_count(user) == 2
    assert await api.afollowers("open:a") == [user.pk]
    writer.remove(user.pk)
    writer.remove(user.pk, "open:a")
    await written(writer)
    assert (await api.ais_online(user), await api.asocket_count(user), await api.afollowers("open:a")) == (True, 1, [])
    writer.remove(user.pk)
    await written(writer)
    assert not await api.ais_online(user)
    assert not await Presence.objects.aexists()


async def test_presence__of_several_processes(writer: PresenceWriter, user: User) -> None:
    for one in (writer, PresenceWriter()):
        one.add(user.pk)
        one.add(user.pk, "open:a")
        await written(one)
    assert await api.asocket_count(user) == 2
    assert await api.afollowers("open:a") == [user.pk]


async def test_presence__of_a_process_that_died(writer: PresenceWriter, user: User, settings: Settings) -> None:
    writer.add(user.pk)
    await written(writer)
    await age(3 * settings_seconds() - 2)
    assert await api.ais_online(user)
    await age(4)
    assert not await api.ais_online(user)
    await age(FORGET_SECONDS)
    another = PresenceWriter()
    another.add(user.pk)
    await written(another)
    assert await SocketServer.objects.acount() == await Presence.objects.acount() == 1


async def test_presence__of_a_process_that_was_taken_for_dead(writer: PresenceWriter, user: User) -> None:
    writer.add(user.pk)
    await written(writer)
    await Presence.objects.all().adelete()
    await SocketServer.objects.all().adelete()
    await written(writer)
    assert await api.ais_online(user)


def settings_seconds() -> float:
    from catmaid_notify.conf import conf

    return conf.PRESENCE_SECONDS


async def age(seconds: float) -> None:
    """Let all signs of life be older."""
    from datetime import timedelta

    await SocketServer.objects.aupdate(seen=F("seen") - timedelta(seconds=seconds))

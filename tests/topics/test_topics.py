"""Topics: declared by the site, followed by pages, published into from anywhere."""

from __future__ import annotations

import asyncio
import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import call_command
from django.db import OperationalError, transaction

from catmaid_notify import api, events, protocol, topics
from catmaid_notify.exceptions import InvalidEvent, UnknownTopic
from catmaid_notify.models import TopicValue
from catmaid_notify.realtime import subscriptions
from catmaid_notify.topics import last_values, permissions
from catmaid_notify.utils import db_threads
from tests.support.drivers import Page, Pushes, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User
    from pytest_django import Settings

    from catmaid_notify.realtime.hub import Hub

pytestmark = [pytest.mark.usefixtures("declared"), pytest.mark.django_db(transaction=True)]


class Site:
    """What the site's callables say."""

    def __init__(self) -> None:
        self.allowed = True
        self.asked: list[tuple[Any, dict[str, Any]]] = []
        self.error: Exception | None = None

    def may(self, user: Any, **parameters: Any) -> bool:
        self.asked.append((user.pk, parameters))
        if self.error is not None:
            raise self.error
        return self.allowed

    async def may_async(self, user: Any, **parameters: Any) -> bool:
        await asyncio.sleep(0)
        return self.may(user, **parameters)

    def may_many(self, users: list[Any], **parameters: Any) -> list[Any]:
        return [user for user in users if self.may(user, **parameters)]

    def clean(self, user: Any, event: str, payload: Any, **parameters: Any) -> Any:
        if payload == "bad":
            raise ValidationError("That is bad.")
        if payload == "\ud800":  # as Django's own choices do
            raise ValidationError("%(value)s is not one of the choices.", params={"value": payload})
        return {"by": user.get_username(), "said": payload, **parameters}


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def declared(site: Site) -> Iterator[None]:
    """Some topics, for one test."""
    patterns = {
        "table:<slug:name>": {"may_follow": site.may},
        "news": {"may_follow": site.may_async},
        "crowd:<int:pk>": {"may_follow_many": site.may_many},
        "chat:<room>": {"may_follow": site.may, "may_publish": site.may, "clean": site.clean},
        "tally:<name>": {"may_follow": site.may, "keep_seconds": 60},
    }
    for pattern, options in patterns.items():
        topics.register(pattern, **options)  # type: ignore[arg-type]
    yield
    for pattern in patterns:
        topics.unregister(pattern)


# -- Declaring


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("table:a-b", {"name": "a-b"}), ("news", {}), ("crowd:12", {"pk": 12}), ("chat:Mein Raum", {"room": "Mein Raum"})],
)
def test_find__parameters(name: str, parameters: dict[str, Any]) -> None:
    assert topics.find(name).parameters == parameters


@pytest.mark.parametrize(
    "name",
    [
        "",
        "table",
        "table:",
        "table:a:b",
        "table:a\n",
        "xtable:a",
        "news ",
        "crowd:x",
        "chat:" + "a" * 200,
        None,
        7,
        ["news"],
    ],
    ids=ascii,
)
def test_find__undeclared(name: Any) -> None:
    with pytest.raises(UnknownTopic):
        topics.find(name)


def test_find__error_says_what_is_declared() -> None:
    with pytest.raises(UnknownTopic, match=r"'tabel:a'.*'table:<slug:name>'.*topics\.py"):
        topics.find("tabel:a")


@pytest.mark.parametrize("pattern", ["", "a:<nope:b>", "a:<b>:<b>", "a:<b", "a:<1>", "news"])
def test_register__pattern_that_is_not_valid(pattern: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        topics.register(pattern, may_follow=bool)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"may_follow": bool, "may_follow_many": list},
        {"may_follow": bool, "may_publish": bool},
        {"may_follow": bool, "clean": bool},
        {"may_follow": bool, "keep_seconds": -1},
        {"may_follow": bool, "keep_seconds": float("inf")},
    ],
)
def test_register__options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured):
        topics.register("other", **options)


@pytest.mark.parametrize("name", ["a", "ä" * 100, "x" * 200, "updates-7", "a:b/c d"])
def test_topic_group__is_ascii_short_and_no_users(name: str) -> None:
    group = protocol.topic_group(name)
    assert group.isascii()
    assert len(group) < 100
    assert group.startswith("topic-")


# -- Publishing


def test_publish__to_the_followers_of_our_dialect(pushes: Pushes) -> None:
    api.publish("table:a", "cell", {"row": 1}, sender="me")
    assert pushes.groups == [protocol.topic_group("table:a")]
    assert pushes.v1 == [{"event": "cell", "payload": {"row": 1}, "topic": "table:a", "sender": "me"}]
    assert pushes.plain == [None]


def test_publish__after_commit_and_not_after_a_rollback(pushes: Pushes) -> None:
    with transaction.atomic():
        api.publish("table:a", "cell", 1)
        assert pushes == []
    assert len(pushes) == 1
    with transaction.atomic():
        api.publish("table:a", "cell", 2)
        transaction.set_rollback(True)
    assert len(pushes) == 1


def test_publish__at_once(pushes: Pushes) -> None:
    with transaction.atomic():
        api.publish("table:a", "cell", 1, on_commit=False)
        assert len(pushes) == 1


@pytest.mark.parametrize(
    ("topic", "event", "payload", "sender", "error"),
    [
        ("nope", "a", 1, "", UnknownTopic),
        *(("table:a", str(event), 1, "", InvalidEvent) for event in protocol.Event),
        ("table:a", "", 1, "", InvalidEvent),
        ("table:a", "a", float("nan"), "", InvalidEvent),
        ("table:a", "a", "x" * 70_000, "", InvalidEvent),
        ("table:a", "a", 1, "x" * 101, InvalidEvent),
        ("table:a", "a", 1, ["x"], InvalidEvent),
    ],
)
def test_publish__what_is_not_valid(
    pushes: Pushes, topic: str, event: str, payload: Any, sender: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        api.publish(topic, event, payload, sender=sender)
    assert pushes == []


async def test_apublish(pushes: Pushes, closing_connections: None) -> None:
    await api.apublish("table:a", "cell", 1)
    assert len(pushes) == 1


# -- Last values


def test_keep__latest_with_a_higher_version(pushes: Pushes) -> None:
    for value in (1, 2, 3):
        api.publish("tally:a", "value", value)
    versions = [frame["version"] for frame in pushes.v1]
    assert versions == sorted(set(versions))
    found = last_values.load(["tally:a", "tally:b"])
    assert list(found) == ["tally:a"]
    assert last_values.as_dict(found["tally:a"]) == pushes.v1[-1]


def test_keep__rolled_back_value_was_never_there(pushes: Pushes) -> None:
    api.publish("tally:a", "value", 1)
    with transaction.atomic():
        api.publish("tally:a", "value", 2)
        transaction.set_rollback(True)
    assert last_values.load(["tally:a"])["tally:a"].payload == "1"


def test_keep__expired_value_is_none(pushes: Pushes) -> None:
    api.publish("tally:a", "value", 1)
    TopicValue.objects.update(expires="2020-01-01T00:00Z")
    assert last_values.load(["tally:a"]) == {}


def test_keep__expired_value_is_pruned(pushes: Pushes) -> None:
    for name in ("tally:a", "tally:b"):
        api.publish(name, "value", 1)
    TopicValue.objects.filter(topic="tally:a").update(expires="2020-01-01T00:00Z")
    call_command("notify_prune", stdout=io.StringIO())
    assert list(TopicValue.objects.values_list("topic", flat=True)) == ["tally:b"]


def test_keep__pruned_row_does_not_begin_below(pushes: Pushes) -> None:
    for value in range(5):
        api.publish("tally:a", "value", value)
    TopicValue.objects.all().delete()
    api.publish("tally:a", "value", 9)
    versions = [frame["version"] for frame in pushes.v1]
    assert versions[-1] >= versions[0]


# -- Audiences


def test_msg_users__in_batches(pushes: Pushes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BATCH", 2)
    api.msg_users([3, 1, 3, 2], "a", {"b": 1})
    assert pushes.groups == [protocol.EVERYONE] * 2
    assert [message["to"] for _group, message in pushes] == [["updates-3", "updates-1"], ["updates-2"]]
    assert pushes.plain == pushes.v1 == [{"event": "a", "payload": {"b": 1}}] * 2


@pytest.mark.parametrize("by_name", [True, False])
def test_msg_group__its_members(pushes: Pushes, user: User, other: User, by_name: bool) -> None:  # noqa: FBT001
    from django.contrib.auth.models import Group

    group = Group.objects.create(name="annotators")
    user.groups.add(group)
    api.msg_group("annotators" if by_name else group, "a")
    assert [message["to"] for _group, message in pushes] == [[protocol.user_group(user.pk)]]


@pytest.mark.parametrize("by_key", [True, False])
def test_msg_session__its_user_and_its_hash(pushes: Pushes, signed_in: Any, user: User, by_key: bool) -> None:  # noqa: FBT001
    session = signed_in.session
    api.msg_session(session.session_key if by_key else session, "a")
    [(group, message)] = pushes
    assert group == protocol.user_group(user.pk)
    assert session.session_key not in str(message)
    assert message["session"]


@pytest.mark.parametrize("session", ["no such session"])
def test_msg_session__nobody(pushes: Pushes, session: Any) -> None:
    api.msg_session(session, "a")
    assert pushes == []


# -- Following


@pytest_asyncio.fixture
async def following_page(page: Callable[..., Page], user: User, hub: Hub, closing_connections: None) -> Page:
    return await page(user=user).live()


async def answers(opened: Page, count: int = 1) -> list[dict[str, Any]]:
    return [await opened.frame() for _ in range(count)]


@pytest.mark.parametrize("name", ["table:a", "news", "crowd:1", "chat:a", "tally:a"])
async def test_subscribe__then_frames_come(following_page: Page, hub: Hub, name: str) -> None:
    following_page.say("subscribe", topic=name, ref="r1")
    assert await answers(following_page) == [{"event": "subscribed", "payload": None, "topic": name, "ref": "r1"}]
    hub.deliver(protocol.topic_group(name), {"type": "user.message", "v1": '{"event":"cell"}'})
    assert await answers(following_page) == [{"event": "cell"}]


@pytest.mark.parametrize("name", ["table:a", "news", "crowd:1"])
async def test_subscribe__not_allowed(
    following_page: Page, hub: Hub, site: Site, name: str, log: pytest.LogCaptureFixture
) -> None:
    site.allowed = False
    following_page.say("subscribe", topic=name, ref=1)
    [answer] = await answers(following_page)
    assert (answer["event"], answer["payload"]) == ("refused", {"reason": "not allowed"})
    assert hub.count(protocol.topic_group(name)) == 0
    [line] = [record.getMessage() for record in log.records if record.name == "catmaid_notify.security"]
    assert "why=not allowed" in line
    assert name in line


async def test_subscribe__callable_that_fails_allows_nobody(
    following_page: Page, site: Site, log: pytest.LogCaptureFixture
) -> None:
    site.error = ZeroDivisionError()
    following_page.say("subscribe", topic="table:a", ref=1)
    assert (await answers(following_page))[0]["event"] == "refused"
    assert "table:a" in log.text


async def test_subscribe__database_that_is_away_is_asked_again(
    following_page: Page, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "RETRY_SECONDS", 0.001)
    site.error = OperationalError("away")
    following_page.say("subscribe", topic="table:a", ref=1)
    await until(lambda: len(site.asked) > 2)
    site.error = None
    assert (await answers(following_page))[0]["event"] == "subscribed"


async def test_subscribe__as_many_as_allowed(following_page: Page, hub: Hub, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_TOPICS_PER_SOCKET = 3
    for number in range(4):
        following_page.say("subscribe", topic=f"table:{number}", ref=number)
    assert [answer["event"] for answer in await answers(following_page, 4)] == ["subscribed"] * 3 + ["refused"]
    following_page.say("subscribe", topic="table:0", ref=4)
    following_page.say("unsubscribe", topic="table:1", ref=5)
    following_page.say("subscribe", topic="table:4", ref=6)
    assert [answer["event"] for answer in await answers(following_page, 3)] == [
        "subscribed",
        "unsubscribed",
        "subscribed",
    ]


async def test_subscribe__all_topics_at_once_are_not_too_many_frames(following_page: Page, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_FRAMES_PER_MINUTE = 20
    for number in range(60):
        following_page.say("subscribe", topic=f"table:{number}", ref=number)
    assert {answer["event"] for answer in await answers(following_page, 60)} == {"subscribed"}


async def test_subscribe__over_and_over_is_too_many_frames(following_page: Page, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_FRAMES_PER_MINUTE = 20
    settings.CATMAID_NOTIFY_TOPICS_PER_SOCKET = 10
    for number in range(40):
        following_page.say("subscribe", topic="table:a", ref=number)
    assert await following_page.close_code() == protocol.Close.TOO_MANY_FRAMES


async def test_subscribe__last_value_comes_behind_the_answer(following_page: Page, pushes: Pushes) -> None:
    await api.apublish("tally:a", "value", 7)
    following_page.say("subscribe", topic="tally:a", ref=1)
    subscribed, value = await answers(following_page, 2)
    assert subscribed["event"] == "subscribed"
    assert value == pushes.v1[0]


async def test_unsubscribe__nothing_comes_any_more(following_page: Page, hub: Hub) -> None:
    following_page.say("subscribe", topic="table:a", ref=1)
    following_page.say("unsubscribe", topic="table:a", ref=2)
    await answers(following_page, 2)
    hub.deliver(protocol.topic_group("table:a"), {"type": "user.message", "v1": '{"event":"cell"}'})
    assert await following_page.frames_before() == []


async def test_leave__follows_nothing_any_more(following_page: Page, hub: Hub) -> None:
    following_page.say("subscribe", topic="table:a", ref=1)
    await answers(following_page)
    await following_page.leave()
    assert hub.count(protocol.topic_group("table:a")) == 0


async def test_leave__while_the_site_is_asked(
    following_page: Page, hub: Hub, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_function: Any, wanted: Any) -> Any:
        asked.set()
        await go_on.wait()
        return [set(pks) for _topic, pks in wanted]

    monkeypatch.setattr(db_threads, "ask_for_page", slow)
    following_page.say("subscribe", topic="table:a", ref=1)
    await asked.wait()
    await following_page.leave()
    go_on.set()
    await asyncio.sleep(0.01)
    assert hub.count(protocol.topic_group("table:a")) == 0


# -- Asking again


@pytest.mark.parametrize("order", [{"topic": "table:a"}, {"user": True}, {}])
async def test_recheck__who_may_no_more_hears_so_and_gets_nothing(
    following_page: Page, hub: Hub, site: Site, user: User, pushes: Pushes, order: dict[str, Any]
) -> None:
    following_page.say("subscribe", topic="table:a", ref=1)
    following_page.say("subscribe", topic="crowd:1", ref=2)
    await answers(following_page, 2)
    site.allowed = False
    given = {"user": user} if "user" in order else order
    await asyncio.to_thread(lambda: topics.recheck(**given))
    hub.deliver(*pushes[-1])
    told = await answers(following_page, 1 if "topic" in order else 2)
    assert {answer["payload"]["reason"] for answer in told} == {"not allowed any more"}
    assert hub.count(protocol.topic_group("table:a")) == 0


async def test_recheck__each_minute(page: Callable[..., Page], user: User, site: Site, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_TOPIC_CHECK_SECONDS = 0.1
    opened = await page(user=user).live()
    opened.say("subscribe", topic="table:a", ref=1)
    assert (await answers(opened))[0]["event"] == "subscribed"
    site.allowed = False
    assert (await answers(opened))[0]["event"] == "refused"


async def test_recheck__database_that_is_away_ends_nothing(
    following_page: Page, hub: Hub, site: Site, log: pytest.LogCaptureFixture
) -> None:
    following_page.say("subscribe", topic="table:a", ref=1)
    await answers(following_page)
    site.error = OperationalError("away")
    hub.deliver(protocol.EVERYONE, {"type": "user.message", "recheck": True})
    await until(lambda: "duty=permission checks" in log.text)
    assert hub.count(protocol.topic_group("table:a")) == 1


# -- Pages that publish


async def test_page_publishes__what_the_topic_made_of_it(following_page: Page, pushes: Pushes, user: User) -> None:
    content = {"event": "said", "payload": "hello", "sender": "tab 1"}
    following_page.say("publish", content, topic="chat:a", ref=1)
    await until(lambda: bool(pushes))
    assert pushes.v1 == [
        {
            "event": "said",
            "payload": {"by": "ann", "said": "hello", "room": "a"},
            "topic": "chat:a",
            "sender": "tab 1",
        }
    ]


@pytest.mark.parametrize(
    ("topic", "content", "reason"),
    [
        ("nope", {"event": "said", "payload": 1}, "unknown topic"),
        ("table:a", {"event": "said", "payload": 1}, "not allowed"),
        ("chat:a", {"event": "said", "payload": "bad"}, "That is bad."),
        ("chat:a", {"event": "said", "payload": "\ud800"}, "? is not one of the choices."),
        *(("chat:a", {"event": str(event), "payload": 1}, "not valid") for event in protocol.Event),
        ("chat:a", {"event": ["said"]}, "not valid"),
        ("chat:a", None, "not valid"),
        ("chat:a", {"event": "said", "sender": {"a": 1}}, "not valid"),
        (["chat:a"], {"event": "said"}, "unknown topic"),
    ],
)
async def test_page_publishes__refused(
    following_page: Page, pushes: Pushes, topic: Any, content: Any, reason: str
) -> None:
    following_page.say("publish", content, topic=topic, ref=1)
    [answer] = await answers(following_page)
    assert (answer["event"], answer["payload"]["reason"], answer["ref"]) == ("refused", reason, 1)
    assert pushes == []


@pytest.mark.parametrize("error", [permissions.PublishRefused("\ud800"), asyncio.CancelledError()])
async def test_page_publishes__what_nobody_has_thought_of_silences_no_page(
    following_page: Page, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Such as a reason that can't be written, or a driver that cancels its own futures."""

    ask = db_threads.ask_for_page

    async def failing(function: Any, *arguments: Any) -> Any:
        if function is permissions.publish_from_page:
            raise error
        return await ask(function, *arguments)

    monkeypatch.setattr(db_threads, "ask_for_page", failing)
    following_page.say("publish", {"event": "said", "payload": 1}, topic="chat:a", ref=1)
    following_page.say("subscribe", topic="table:a", ref=2)
    [answer] = await answers(following_page)
    assert (answer["event"], answer["ref"]) == ("subscribed", 2)


async def test_page_publishes__not_allowed(following_page: Page, pushes: Pushes, site: Site) -> None:
    site.allowed = False
    following_page.say("publish", {"event": "said", "payload": 1}, topic="chat:a", ref=1)
    assert (await answers(following_page))[0]["payload"] == {"reason": "not allowed"}
    assert pushes == []


async def test_page_publishes__log_has_no_content(following_page: Page, log: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.DEBUG)
    following_page.say("publish", {"event": "said", "payload": "bad"}, topic="chat:a", ref=1)
    await answers(following_page)
    lines = [record.getMessage() for record in log.records if record.name.startswith("catmaid_notify")]
    assert not [line for line in lines if "bad" in line]
    assert [line for line in lines if "what=publish" in line]


def test_permissions__user_who_is_gone(user: User, site: Site) -> None:
    pk = user.pk
    user.delete()
    assert permissions.followers_among([(topics.find("table:a"), [pk])]) == [set()]
    with pytest.raises(permissions.PublishRefused):
        permissions.publish_from_page(pk, topics.find("chat:a"), "said", 1, "")
    assert site.asked == []


# -- Everyone


async def test_everyone__all_sockets_or_those_meant(
    page: Callable[..., Page], user: User, other: User, hub: Hub
) -> None:
    ann, bob = await page(user=user).live(), await page(user=other, v1=False).open()
    await until(lambda: hub.sockets == 2)
    frame = '{"event":"a","payload":1}'
    hub.deliver(protocol.EVERYONE, {"type": "user.message", "data": frame})
    assert (await answers(ann), await answers(bob)) == ([{"event": "a", "payload": 1}],) * 2
    hub.deliver(protocol.EVERYONE, {"type": "user.message", "data": frame, "to": [protocol.user_group(other.pk), 7]})
    assert len(await answers(bob)) == 1
    assert await ann.frames_before() == []
    hub.deliver(protocol.EVERYONE, {"type": "user.message", "data": frame, "to": "updates"})
    assert await ann.frames_before("again") == []

"""Reconciling: each committed message is shown once, even if its push is lost, late, doubled or out of order."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import random
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from catmaid_notify import api, push
from catmaid_notify.models import Message
from catmaid_notify.protocol import frame as frame_of
from catmaid_notify.realtime import hub as hub_module
from catmaid_notify.realtime import reconcile
from catmaid_notify.realtime import socket as socket_module
from catmaid_notify.realtime.reconcile import Reconciler
from tests.support.drivers import PATIENCE, Page, SpyLayer, shown, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from pytest_django import Settings

    from catmaid_notify.realtime.hub import Hub

pytestmark = pytest.mark.django_db(transaction=True)

in_db = database_sync_to_async


@in_db
def notify(user: User, title: str = "a", *, key: str | None = None) -> int:
    return api.notify_user(user, title, key=key).pk


@in_db
def store(user: User, *, age: float = 0.0, **values: Any) -> Message:
    """Store a message without a push, ``age`` seconds old by the clock of the database."""
    stored = Message.objects.create(user=user, title="a", **values)
    if age:
        Message.objects.filter(pk=stored.pk).update(time=Now() - dt.timedelta(seconds=age))
    stored.refresh_from_db()
    return stored


class Rounds:
    """Starts rounds of reconciling and waits for their end."""

    def __init__(self, layer: SpyLayer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._layer = layer
        self._over = asyncio.Event()
        original = Reconciler.find_missed

        async def observed(reconciler: Reconciler, pks: list[Any]) -> Any:
            try:
                return await original(reconciler, pks)
            finally:
                # The hub pushes what was found before the loop turns to anyone else.
                asyncio.get_running_loop().call_soon(self._over.set)

        monkeypatch.setattr(Reconciler, "find_missed", observed)

    async def one(self) -> None:
        """Reconcile once: the broker is back."""
        self._over.clear()
        self._layer.reconnected()
        async with asyncio.timeout(PATIENCE):
            await self._over.wait()


@pytest_asyncio.fixture
async def rounds(spy_layer: Callable[[], SpyLayer], monkeypatch: pytest.MonkeyPatch) -> Rounds:
    return Rounds(spy_layer(), monkeypatch)


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Lose all pushes."""
    kept: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(push, "transport", lambda: lambda group, message: kept.append((group, message)))
    return kept


tokens = itertools.count()


async def fence(hub: Hub, user: User, page: Page) -> list[dict[str, Any]]:
    """Return all frames that a page has got so far, without fences of other pages."""
    token = next(tokens)
    hub.deliver(f"updates-{user.pk}", {"type": "user.message", "data": frame_of("fence", token)})
    frames = []
    while (frame := await page.frame()) != {"event": "fence", "payload": token}:
        frames.append(frame)
    return [frame for frame in frames if frame["event"] != "fence"]


async def joined_plain(page: Callable[..., Page], hub: Hub, user: User) -> Page:
    """Open a page with CATMAID's client and wait until it has joined its group. It gets no `hello`."""
    group = f"updates-{user.pk}"
    before = hub.count(group)
    opened = await page(user=user, v1=False).open()
    await until(lambda: hub.count(group) > before)
    return opened


# -- The hub's rounds


@pytest.mark.usefixtures("lost")
async def test_round__lost_push_is_shown_once(user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub) -> None:
    v1, plain = await page(user=user).live(), await joined_plain(page, hub, user)
    pk = await notify(user)
    for _ in range(3):
        await rounds.one()
    assert shown(await fence(hub, user, v1)) == [pk]
    assert shown(await fence(hub, user, plain)) == [pk]


async def test_round__what_arrived_is_not_shown_again(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub, lost: list[Any]
) -> None:
    v1 = await page(user=user).live()
    pk = await notify(user)
    hub.deliver(*lost[0])
    await rounds.one()
    assert shown(await fence(hub, user, v1)) == [pk]


async def test_round__late_push_is_not_shown_again(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub, lost: list[Any]
) -> None:
    v1, plain = await page(user=user).live(), await joined_plain(page, hub, user)
    pk = await notify(user)
    await rounds.one()
    hub.deliver(*lost[0])
    assert shown(await fence(hub, user, v1)) == [pk]
    assert shown(await fence(hub, user, plain)) == [pk]


@pytest.mark.usefixtures("lost")
async def test_round__frame_is_that_of_the_push(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub
) -> None:
    v1 = await page(user=user).live()
    pk = await notify(user, "<b>Crop</b>")
    await rounds.one()
    stored = await in_db(Message.objects.get)(pk=pk)
    assert await fence(hub, user, v1) == [
        {
            "event": "new-message",
            "id": pk,
            "payload": {"message_id": pk, "message_title": "<b>Crop</b>", "message": stored.as_dict()},
        }
    ]


@pytest.mark.usefixtures("lost")
async def test_round__each_user_gets_theirs(
    user: User, other: User, page: Callable[..., Page], rounds: Rounds, hub: Hub
) -> None:
    ours, theirs = await page(user=user).live(), await page(user=other).live()
    pks = [await notify(user), await notify(other)]
    await rounds.one()
    assert [shown(await fence(hub, user, ours)), shown(await fence(hub, other, theirs))] == [[pks[0]], [pks[1]]]


@pytest.mark.usefixtures("lost")
async def test_round__oldest_first(user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub) -> None:
    v1 = await page(user=user).live()
    pks = [await notify(user) for _ in range(5)]
    await rounds.one()
    assert shown(await fence(hub, user, v1)) == pks


@pytest.mark.usefixtures("lost")
async def test_round__read_messages_are_left_out(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub
) -> None:
    v1 = await page(user=user).live()
    await in_db(api.mark_read)(user, [await notify(user)])
    await rounds.one()
    assert shown(await fence(hub, user, v1)) == []


@pytest.mark.usefixtures("lost")
async def test_round__plain_page_is_not_told_what_is_older_than_it(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub
) -> None:
    await store(user, age=20)
    plain = await joined_plain(page, hub, user)
    v1 = await page(user=user).live()
    pk = await notify(user)
    await rounds.one()
    assert shown(await fence(hub, user, plain)) == [pk]
    assert shown(await fence(hub, user, v1))[-1] == pk


@pytest.mark.usefixtures("lost")
async def test_round__plain_page_that_came_later_than_others(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has fetched the list, and would show a repeated message twice."""
    with monkeypatch.context() as patched:
        for module in (hub_module, socket_module):
            patched.setattr(module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() - 40))
        first = await joined_plain(page, hub, user)
    between = (await store(user, age=20)).pk
    second = await joined_plain(page, hub, user)
    await rounds.one()
    assert shown(await fence(hub, user, first)) == [between]
    assert shown(await fence(hub, user, second)) == []


@pytest.mark.usefixtures("lost")
async def test_round__page_that_reconnects_within_the_linger_time(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub, settings: Settings
) -> None:
    settings.CATMAID_NOTIFY_GROUP_LINGER_SECONDS = 60
    await (await page(user=user).live()).leave()
    pk = await notify(user)
    again = await page(user=user).live()
    later = await notify(user)
    await rounds.one()
    assert set(shown(await fence(hub, user, again))) >= {later}
    assert set(shown(await fence(hub, user, again))) <= {pk}


@pytest.mark.usefixtures("lost")
async def test_round__database_that_is_away_is_asked_again(
    user: User,
    page: Callable[..., Page],
    rounds: Rounds,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
) -> None:
    v1 = await page(user=user).live()
    pk = await notify(user)

    def away(_pks: list[Any], _seconds: float) -> None:
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "_created_within", away)
        await rounds.one()
        await rounds.one()
    await rounds.one()
    assert shown(await fence(hub, user, v1)) == [pk]
    assert hub.is_well
    assert "server closed" in log.text


@pytest.mark.usefixtures("lost")
async def test_round__comes_by_itself(user: User, page: Callable[..., Page], hub: Hub, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_RECONCILE_SECONDS = 0.02
    from catmaid_notify.realtime.hub import get_hub

    v1 = await page(user=user).live()
    hub._reconcile_now.set()  # ends the wait that began with the longer interval
    pk = await notify(user)
    assert shown([await v1.frame()]) == [pk]
    assert get_hub() is hub


@pytest.mark.usefixtures("lost")
async def test_round__nobody_connected_asks_nothing(rounds: Rounds, hub: Hub, user: User) -> None:
    with QueryCount() as queries:
        await rounds.one()
    assert queries.statements == []


class QueryCount:
    """Counts the SQL statements of all threads."""

    def __enter__(self) -> QueryCount:
        from django.db.backends.utils import CursorWrapper

        self.statements: list[str] = []
        self._patch = pytest.MonkeyPatch()
        execute = CursorWrapper.execute

        def counted(cursor: Any, sql: str, params: Any = None) -> Any:
            self.statements.append(sql)
            return execute(cursor, sql, params)

        self._patch.setattr(CursorWrapper, "execute", counted)
        return self

    def __exit__(self, *_error: object) -> None:
        self._patch.undo()


# -- F21: ids are handed out before commit


@pytest.mark.usefixtures("lost")
async def test_f21__row_with_a_lower_id_and_an_earlier_time_appears_later(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub
) -> None:
    v1 = await page(user=user).live()
    later = (await store(user, id=1_000_006)).pk
    await rounds.one()
    earlier = (await store(user, id=1_000_005, age=40)).pk
    await rounds.one()
    assert shown(await fence(hub, user, v1)) == [later, earlier]


if connection.vendor == "postgresql":  # SQLite has no two writers at a time

    @pytest.mark.usefixtures("lost")
    async def test_f21__transaction_that_commits_after_a_later_one(
        user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub
    ) -> None:
        v1 = await page(user=user).live()
        written, go_on = threading.Event(), threading.Event()
        slow: list[int] = []

        def transact() -> None:
            try:
                with transaction.atomic():
                    slow.append(api.notify_user(user, "first").pk)
                    written.set()
                    go_on.wait(PATIENCE)
            finally:
                connection.close()

        thread = threading.Thread(target=transact)
        thread.start()
        try:
            await asyncio.to_thread(written.wait, PATIENCE)
            fast = await notify(user, "second")
            await rounds.one()
            assert shown(await fence(hub, user, v1)) == [fast]
        finally:
            go_on.set()
            await asyncio.to_thread(thread.join, PATIENCE)
        await rounds.one()
        assert slow[0] < fast
        assert shown(await fence(hub, user, v1)) == slow


# -- F24: pushes dropped, doubled, delayed, in another order


class Shaken:
    """Transport that drops, doubles, delays and swaps pushes, 20 % each."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.held: list[tuple[str, dict[str, Any]]] = []
        self.passed: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, group: str, message: dict[str, Any]) -> None:
        fate = self._random.random()
        if fate < 0.2:
            return
        if fate < 0.4:
            self.held.append((group, message))
            return
        self.passed.append((group, message))
        if fate < 0.6:
            self.passed.append((group, message))
        elif fate < 0.8:
            self.passed.insert(self._random.randrange(len(self.passed)), (group, message))
            del self.passed[-1]

    def arrive(self, hub: Hub) -> None:
        for group, message in self.passed:
            hub.deliver(group, message)
        self.passed.clear()


@pytest.mark.parametrize("seed", range(3))
async def test_f24__each_message_is_shown_once(
    user: User,
    other: User,
    page: Callable[..., Page],
    rounds: Rounds,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    shaken = Shaken(seed)
    monkeypatch.setattr(push, "transport", lambda: shaken)
    tabs = [(user, await page(user=user).live()), (user, await joined_plain(page, hub, user))]
    tabs.append((other, await page(user=other).live()))
    stored: dict[int, list[int]] = {user.pk: [], other.pk: []}
    for number in range(60):
        to = (user, other)[number % 2]
        stored[to.pk].append(await notify(to, f"{number}"))
        shaken.arrive(hub)
        if number % 20 == 19:
            await rounds.one()
    for group, message in shaken.held:  # what comes 30 s late
        hub.deliver(group, message)
    await rounds.one()
    for whose, tab in tabs:
        assert sorted(shown(await fence(hub, whose, tab))) == stored[whose.pk]


# -- F23: the layer is full


async def test_f23__full_layer_loses_nothing(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from channels.exceptions import ChannelFull

    def full(_group: str, _message: dict[str, Any]) -> None:
        raise ChannelFull

    monkeypatch.setattr(push, "transport", lambda: full)
    v1 = await page(user=user).live()
    count = await in_db(lambda: [api.notify_user(user, f"{number}").pk for number in range(100)])()
    await rounds.one()
    assert sorted(shown(await fence(hub, user, v1))) == count


# -- F19: the process ends between commit and push


async def test_f19__message_whose_process_ended_after_the_commit(
    user: User, page: Callable[..., Page], rounds: Rounds, hub: Hub
) -> None:
    v1 = await page(user=user).live()
    stored = await store(user)  # a row, and nobody left to push it
    await rounds.one()
    assert shown(await fence(hub, user, v1)) == [stored.pk]


# -- The rounds themselves


@in_db
def ask(pks: list[Any], seconds: float) -> list[int]:
    return [message.pk for message, _age in reconcile._created_within(pks, seconds)]


async def test_reconciler__looks_back_a_minute_beyond_the_last_round(user: User, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_RECONCILE_OVERLAP_SECONDS = 60
    await store(user, age=70)
    recent = await store(user, age=50)
    reconciler = Reconciler()
    for _ in range(2):
        assert [message.pk for message, _age in await reconciler.find_missed([user.pk])] == [recent.pk]


async def test_reconciler__looks_back_to_the_last_round_that_succeeded(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    clock = [now - 400]
    monkeypatch.setattr(reconcile, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    reconciler = Reconciler()
    missed = await store(user, age=300)
    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "_created_within", lambda *_: (_ for _ in ()).throw(OperationalError("away")))
        clock[0] = now - 50
        with pytest.raises(OperationalError):
            await reconciler.find_missed([user.pk])
    clock[0] = now
    assert [message.pk for message, _age in await reconciler.find_missed([user.pk])] == [missed.pk]


async def test_reconciler__looks_back_no_further_than_it_must(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    clock = [now - 400]
    monkeypatch.setattr(reconcile, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    reconciler = Reconciler()
    clock[0] = now - 30
    await reconciler.find_missed([user.pk])
    clock[0] = now
    await store(user, age=300)
    assert await reconciler.find_missed([user.pk]) == []


async def test_reconciler__remembers_longer_than_it_looks_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    clock = [now]
    monkeypatch.setattr(reconcile, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    reconciler = Reconciler()
    clock[0] = now + 500  # no round has succeeded for long
    looks_back_next = 500 + 30 + 60
    assert reconciler.memory_seconds >= looks_back_next


async def test_reconciler__age_is_by_the_databases_clock(user: User) -> None:
    await store(user, age=42)
    [(_message, age)] = await Reconciler().find_missed([user.pk])
    assert 41 < age < 47


@pytest.mark.parametrize(("few", "queries"), [(2, 1 + 1), (1, 1 + 3), (0, 1 + 3)])
async def test_reconciler__many_users(
    user: User, other: User, monkeypatch: pytest.MonkeyPatch, few: int, queries: int
) -> None:
    """With few recent messages of all users there is one query, else one per 1,000 users."""
    monkeypatch.setattr(reconcile, "RECENT_MAX", few)
    mine, _theirs = await store(user), await store(other)
    pks = [user.pk, *range(1_000_000, 1_002_500)]
    with QueryCount() as count:
        found = await Reconciler().find_missed(pks)
    assert [message.pk for message, _age in found] == [mine.pk]
    assert len(count.statements) == queries


async def test_reconciler__many_users_and_nothing_new_costs_one_query(user: User, other: User) -> None:
    await store(other)
    with QueryCount() as count:
        assert await Reconciler().find_missed([user.pk, *range(1_000_000, 1_002_500)]) == []
    assert len(count.statements) == 1


async def test_reconciler__nobody_costs_no_query() -> None:
    with QueryCount() as queries:
        assert await Reconciler().find_missed([]) == []
    assert queries.statements == []


@pytest.mark.parametrize("few", [1, 100])
async def test_reconciler__messages_of_several_batches(
    user: User, other: User, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(reconcile, "RECENT_MAX", few)
    stored = {(await store(user)).pk, (await store(other)).pk}
    pks = [user.pk, *range(1_000_000, 1_001_500), other.pk]
    assert {message.pk for message, _age in await Reconciler().find_missed(pks)} == stored


def test_created_within__is_one_statement(user: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        reconcile._created_within([user.pk], 60)
    assert len(queries) == 1

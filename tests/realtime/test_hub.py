"""The hub: delivery from groups of the layer to local sockets."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from catmaid_notify.auth import sessions
from catmaid_notify.auth.sign_in import SignIn
from catmaid_notify.exceptions import BrokerUnavailable
from catmaid_notify.protocol import Close
from catmaid_notify.realtime import heartbeat
from catmaid_notify.realtime import hub as hub_module
from catmaid_notify.realtime import socket as socket_module
from catmaid_notify.realtime.hub import Hub, get_hub
from catmaid_notify.realtime.socket import Socket
from catmaid_notify.utils import supervision
from tests.support.drivers import PATIENCE, SpyLayer, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from tests.support.drivers import Page


class Listener:
    """A local socket that records its frames and close codes."""

    def __init__(self, pk: int = 7, *, is_v1: bool = True) -> None:
        self.pk = pk
        self.texts: list[str] = []
        self.codes: list[int] = []
        self.error: Exception | None = None
        self._arrived = asyncio.Event()
        self.socket = Socket(self._send, sign_in=SignIn(user_pk=pk), is_v1=is_v1, on_close=self._closed)

    @property
    def events(self) -> list[str]:
        return [json.loads(text)["event"] for text in self.texts]

    async def got(self, count: int) -> list[str]:
        """Wait for ``count`` frames."""
        async with asyncio.timeout(PATIENCE):
            while len(self.texts) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.texts

    async def closed(self) -> int:
        """Wait for the close."""
        async with asyncio.timeout(PATIENCE):
            while not self.codes:
                self._arrived.clear()
                await self._arrived.wait()
        return self.codes[0]

    async def _send(self, event: dict[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.texts.append(event["text"])
        self._arrived.set()

    def _closed(self, code: int) -> None:
        self.codes.append(code)
        self._arrived.set()


async def joined(hub: Hub, pk: int = 7, *, is_v1: bool = True) -> Listener:
    listener = Listener(pk, is_v1=is_v1)
    await hub.join(listener.socket)
    return listener


def message(text: str = '{"event":"a","payload":1}', **others: Any) -> dict[str, Any]:
    """Return a message as the layer delivers it."""
    return {"type": "user.message", "group": "updates-7", "data": text, **others}


@pytest_asyncio.fixture
async def layer(spy_layer: Callable[[], SpyLayer], settings: Settings) -> SpyLayer:
    """The channel layer of the hub."""
    settings.CATMAID_NOTIFY_GROUP_LINGER_SECONDS = 0.01
    return spy_layer()


# -- Joining and leaving


async def test_get_hub__is_one_a_loop(hub: Hub) -> None:
    assert get_hub() is hub


async def test_join__returns_once_the_layer_has_the_membership(layer: SpyLayer, hub: Hub) -> None:
    layer.open.clear()
    joining = asyncio.create_task(joined(hub))
    await until(lambda: hub.count("updates-7") == 1)
    await asyncio.sleep(0)
    assert not joining.done()
    layer.open.set()
    await joining
    assert ("group_add", "updates-7") in layer.calls


async def test_join__one_group_add_for_all_sockets_of_a_user(layer: SpyLayer, hub: Hub) -> None:
    await asyncio.gather(*(joined(hub) for _ in range(20)))
    await joined(hub)
    assert layer.count("group_add") == 1


async def test_join__one_channel_for_all_users(layer: SpyLayer, hub: Hub) -> None:
    await joined(hub, 1)
    await joined(hub, 2)
    assert layer.count("group_add") == 2
    assert layer.count("new_channel") == 1


async def test_join__users_who_come_at_once_share_one_channel(layer: SpyLayer, hub: Hub) -> None:
    await asyncio.gather(*(joined(hub, pk) for pk in range(10)))
    await joined(hub, 11)
    assert layer.count("new_channel") == 1


async def test_leave__last_socket_lingers_then_leaves_the_group(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    hub.leave(listener.socket)
    assert layer.count("group_discard") == 0
    await layer.called("group_discard")


async def test_leave__others_keep_the_group(layer: SpyLayer, hub: Hub) -> None:
    one, another, elsewhere = await joined(hub), await joined(hub), await joined(hub, 8)
    hub.leave(one.socket)
    hub.leave(elsewhere.socket)
    await layer.called("group_discard")
    assert ("group_discard", "updates-7") not in layer.calls
    hub.deliver("updates-7", message())
    assert len(another.texts) == 1


async def test_leave__reload_costs_no_call(layer: SpyLayer, hub: Hub, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_GROUP_LINGER_SECONDS = 60
    for _ in range(5):
        listener = await joined(hub)
        hub.leave(listener.socket)
    assert (layer.count("group_add"), layer.count("group_discard")) == (1, 0)


async def test_leave__coming_back_after_lingering_joins_again(layer: SpyLayer, hub: Hub) -> None:
    hub.leave((await joined(hub)).socket)
    await layer.called("group_discard")
    listener = await joined(hub)
    assert layer.count("group_add") >= 2
    hub.deliver("updates-7", message())
    assert len(listener.texts) == 1


async def test_leave__coming_back_while_the_group_is_left(layer: SpyLayer, hub: Hub) -> None:
    hub.leave((await joined(hub)).socket)
    layer.open.clear()
    await layer.called("group_discard")
    joining = asyncio.create_task(joined(hub))
    await layer.called("group_add", 2)
    layer.open.set()
    await joining
    await layer.called("group_add", 3)  # whatever the layer did last, we are in the group
    assert layer.calls[-1] == ("group_add", "updates-7")


async def test_join_again__all_groups_and_none_that_is_left_meanwhile(layer: SpyLayer, hub: Hub) -> None:
    await joined(hub, 1)
    leaving = await joined(hub, 2)
    layer.open.clear()
    again = asyncio.create_task(hub._groups.join_again())
    await layer.called("group_add", 3)
    hub.leave(leaving.socket)
    await layer.called("group_discard")
    layer.open.set()
    await again
    assert layer.calls.count(("group_add", "updates-1")) == 2
    assert layer.calls[-1] == ("group_discard", "updates-2")


async def test_leave__twice_is_fine(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    hub.leave(listener.socket)
    hub.leave(listener.socket)
    await layer.called("group_discard")
    assert hub.sockets == 0


async def test_sockets__are_counted(layer: SpyLayer, hub: Hub) -> None:
    one = await joined(hub, 1)
    await joined(hub, 1)
    await joined(hub, 2)
    assert (hub.sockets, hub.count("updates-1"), hub.count("updates-2"), hub.count("updates-3")) == (3, 2, 1, 0)
    hub.leave(one.socket)
    assert (hub.sockets, hub.count("updates-1")) == (2, 1)


@pytest.mark.parametrize("error", [ConnectionError("refused"), RuntimeError("a"), BrokerUnavailable("gone")])
async def test_join__layer_that_fails(layer: SpyLayer, hub: Hub, error: Exception) -> None:
    layer.error = error
    with pytest.raises(BrokerUnavailable):
        await joined(hub)
    assert hub.sockets == 0


async def test_join__layer_that_never_answers(layer: SpyLayer, hub: Hub, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_CONNECT_SECONDS = 0.02
    layer.open.clear()
    with pytest.raises(BrokerUnavailable):
        await joined(hub)
    assert hub.sockets == 0


async def test_join__all_who_wait_hear_of_the_failure(layer: SpyLayer, hub: Hub) -> None:
    layer.error = ConnectionError("refused")
    results = await asyncio.gather(*(joined(hub) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [BrokerUnavailable] * 3


@pytest.mark.parametrize("error", [ConnectionError("refused"), asyncio.CancelledError()], ids=repr)
async def test_join__works_again_after_a_failure(layer: SpyLayer, hub: Hub, error: BaseException) -> None:
    """A driver that gives up a connection cancels its own futures."""
    layer.error = error
    with pytest.raises(BrokerUnavailable):
        await joined(hub)
    layer.error = None
    listener = await joined(hub)
    hub.deliver("updates-7", message())
    assert len(listener.texts) == 1


async def test_join__one_who_gives_up_does_not_stop_others(layer: SpyLayer, hub: Hub) -> None:
    layer.open.clear()
    impatient, patient = asyncio.create_task(joined(hub)), asyncio.create_task(joined(hub))
    await until(lambda: hub.count("updates-7") == 2)
    impatient.cancel()
    await asyncio.wait({impatient})
    layer.open.set()
    listener = await patient
    hub.deliver("updates-7", message())
    assert len(listener.texts) == 1
    assert hub.sockets == 1


async def test_join__without_any_layer(hub_without_layer: Hub) -> None:
    await joined(hub_without_layer)
    assert hub_without_layer.sockets == 1
    assert not await hub_without_layer.check_layer(1)


@pytest_asyncio.fixture
async def hub_without_layer(settings: Settings) -> Hub:
    settings.CHANNEL_LAYERS = {}
    return get_hub()


# -- Delivering


async def test_deliver__reaches_all_sockets_of_the_group_and_no_others(layer: SpyLayer, hub: Hub) -> None:
    ours, also_ours, theirs = await joined(hub), await joined(hub), await joined(hub, 8)
    hub.deliver("updates-7", message())
    assert len(ours.texts) == len(also_ours.texts) == 1
    assert theirs.texts == []


async def test_deliver__each_dialect_gets_its_frame(layer: SpyLayer, hub: Hub) -> None:
    v1, plain = await joined(hub), await joined(hub, is_v1=False)
    hub.deliver("updates-7", message("plain", v1="v1"))
    assert (v1.texts, plain.texts) == (["v1"], ["plain"])


async def test_deliver__one_frame_for_both(layer: SpyLayer, hub: Hub) -> None:
    v1, plain = await joined(hub), await joined(hub, is_v1=False)
    hub.deliver("updates-7", message("both"))
    assert (v1.texts, plain.texts) == (["both"], ["both"])


@pytest.mark.parametrize("nothing", [{"data": None}, {}])
async def test_deliver__what_plain_sockets_do_not_get(layer: SpyLayer, hub: Hub, nothing: dict[str, Any]) -> None:
    v1, plain = await joined(hub), await joined(hub, is_v1=False)
    hub.deliver("updates-7", {"type": "user.message", "group": "updates-7", "v1": "v1", **nothing})
    assert (v1.texts, plain.texts) == (["v1"], [])


async def test_deliver__stored_message_once(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    for _ in range(3):
        hub.deliver("updates-7", message("a", id=12))
    assert listener.texts == ["a"]


async def test_deliver__events_that_are_not_stored_are_not_compared(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    for _ in range(3):
        hub.deliver("updates-7", message("a"))
    assert listener.texts == ["a"] * 3


async def test_deliver__same_id_of_two_users_is_two_messages(layer: SpyLayer, hub: Hub) -> None:
    ours, theirs = await joined(hub), await joined(hub, 8)
    hub.deliver("updates-7", message("a", id=12))
    hub.deliver("updates-8", message("b", id=12))
    assert (ours.texts, theirs.texts) == (["a"], ["b"])


async def test_deliver__one_session_of_a_user(layer: SpyLayer, hub: Hub) -> None:
    ours, theirs, without = await joined(hub), await joined(hub), await joined(hub)
    ours.socket.sign_in = SignIn(user_pk=7, session_key="a")
    theirs.socket.sign_in = SignIn(user_pk=7, session_key="b")
    hub.deliver("updates-7", message("a", session=sessions.digest("a")))
    hub.deliver("updates-7", message("b", session=""))
    assert (ours.texts, theirs.texts, without.texts) == (["a"], [], [])


async def test_deliver__nobody_there(layer: SpyLayer, hub: Hub) -> None:
    hub.deliver("updates-99", message())


@pytest.mark.parametrize("error", [OSError, RuntimeError, ValueError, Exception])
async def test_deliver__socket_that_fails_keeps_nobody_from_theirs(
    layer: SpyLayer, hub: Hub, error: type[Exception]
) -> None:
    listeners = [await joined(hub) for _ in range(4)]
    for broken in listeners[:2]:
        broken.error = error("gone")
    hub.deliver("updates-7", message("a"))
    assert [listener.texts for listener in listeners[2:]] == [["a"], ["a"]]


async def test_deliver__socket_that_is_closed_by_it_disturbs_nobody(
    layer: SpyLayer, hub: Hub, settings: Settings
) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    full, fresh = await joined(hub), Listener()
    hub.deliver("updates-7", message("a" * 490))
    hub.deliver("updates-7", message("a" * 400))
    await hub.join(fresh.socket)
    hub.deliver("updates-7", message("b" * 200))
    assert full.codes == [Close.SILENT]
    assert fresh.texts == ["b" * 200]


# -- From the broker


async def test_receive__message_with_its_group(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    layer.arrive(message("a"))
    assert await listener.got(1) == ["a"]


async def test_receive__layer_that_hands_messages_over(layer: SpyLayer) -> None:
    listeners: list[Any] = []
    layer.listen = lambda channel, listener: listeners.append((channel, listener))  # type: ignore[attr-defined]
    socket = await joined(get_hub())
    ((channel, listener),) = listeners
    assert channel == "specific.spy!1"
    listener(message("at once"))
    assert socket.texts == ["at once"]


async def test_receive__keeps_the_order(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    sent = [f"{number}" for number in range(50)]
    for text in sent:
        layer.arrive(message(text))
    assert await listener.got(50) == sent


FORGED: dict[str, Any] = {
    "none": None,
    "text": "a",
    "list": [1],
    "empty": {},
    "no group": {"type": "user.message", "data": "a"},
    "group of a wrong type": {"type": "user.message", "group": ["updates-7"], "data": "a"},
    "group of a number": {"type": "user.message", "group": 7, "data": "a"},
    "no data": {"type": "user.message", "group": "updates-7"},
    "data of a wrong type": message(data={"event": "a"}),
    "bytes": message(data=b"a"),
    "v1 of a wrong type": {"type": "user.message", "group": "updates-7", "v1": ["a"]},
    "no type": {"group": "updates-7", "data": "a"},
    "type of a wrong type": {**message("a"), "type": ["user.message"]},
    "unknown type": {**message("a"), "type": "something.else"},
    "disconnect": {**message("a"), "type": "websocket.disconnect"},
    "close": {**message("a"), "type": "websocket.close", "code": 4401},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_receive__what_is_no_message_is_dropped_and_all_goes_on(layer: SpyLayer, hub: Hub, forged: Any) -> None:
    listener = await joined(hub)
    layer.arrive(forged)
    layer.arrive(message("fence"))
    async with asyncio.timeout(1):
        assert await listener.got(1) == ["fence"]
    assert hub.is_well


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("user.message") | ANYTHING,
            "group": st.just("updates-7") | ANYTHING,
            "data": ANYTHING,
            "v1": ANYTHING,
            "id": ANYTHING,
            "ended": st.just("*") | ANYTHING,
            "check": ANYTHING,
        },
    )
    | ANYTHING
)
@hypothesis_settings(max_examples=100, deadline=None)
def test_receive__nothing_that_comes_ends_the_hub(forged: Any) -> None:
    async def scenario() -> None:
        hub = get_hub()
        plain, v1 = await joined(hub, is_v1=False), await joined(hub)
        hub._dispatch(forged)
        hub._dispatch(message("fence"))
        assert plain.texts[-1] == v1.texts[-1] == "fence"
        assert plain.codes == v1.codes == []

    asyncio.run(scenario())


async def test_receive__frame_that_would_close_everybody_is_dropped(
    layer: SpyLayer, hub: Hub, log: pytest.LogCaptureFixture
) -> None:
    listener = await joined(hub)
    layer.arrive(message("a" * 20 * 1024 * 1024))
    layer.arrive(message("fence"))
    assert await listener.got(1) == ["fence"]
    assert listener.codes == []
    assert "bytes=20971520" in log.text


@pytest.mark.parametrize("pk", [[1], {"a": 1}, "12", 1.5, None, b"1"], ids=ascii)
async def test_receive__id_of_a_wrong_type_is_no_id(layer: SpyLayer, hub: Hub, pk: Any) -> None:
    listener = await joined(hub)
    layer.arrive(message("a", id=pk))
    layer.arrive(message("fence"))
    assert (await listener.got(2))[-1] == "fence"


async def test_receive__layer_that_raises_is_asked_again(
    layer: SpyLayer, hub: Hub, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervision, "FIRST_RETRY_SECONDS", 0.001)
    listener = await joined(hub)
    layer.arrive(ConnectionError("lost"))
    layer.arrive(RuntimeError("lost"))
    layer.arrive(message("a"))
    assert await listener.got(1) == ["a"]
    assert hub.is_well
    assert "lost" in log.text


async def test_receive__layer_that_cancels_its_own_futures_is_asked_again(
    layer: SpyLayer, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AMQP clients do so when a connection is lost."""
    monkeypatch.setattr(supervision, "FIRST_RETRY_SECONDS", 0.001)
    listener = await joined(hub)
    layer.arrive(asyncio.CancelledError())
    layer.arrive(message("a"))
    async with asyncio.timeout(1):
        assert await listener.got(1) == ["a"]
    assert hub.is_well


async def test_receive__group_as_an_attribute(layer: SpyLayer, hub: Hub) -> None:
    """CATMAID's own messages have no key ``group``; our layer sets an attribute."""

    class Carried(dict[str, Any]):
        group = "updates-7"

    listener = await joined(hub)
    layer.arrive(Carried(type="user.message", data="a"))
    assert await listener.got(1) == ["a"]


# -- Health


async def test_is_well__after_the_start(layer: SpyLayer, hub: Hub) -> None:
    assert hub.is_well


async def end_reconciling(hub: Hub) -> None:
    """Cancel a background task of the hub, as a defect might."""
    task = hub._duties._tasks["reconciling"]
    task.cancel()
    await asyncio.wait({task})


async def test_is_well__not_when_one_of_its_tasks_ended(layer: SpyLayer, hub: Hub) -> None:
    await end_reconciling(hub)
    assert not hub.is_well


async def test_is_well__tasks_that_come_and_go_do_not_count(layer: SpyLayer, hub: Hub) -> None:
    """The end of a task that leaves a group is no failure."""
    await end_reconciling(hub)
    listener = await joined(hub)
    layer.open.clear()
    hub.leave(listener.socket)
    await layer.called("group_discard")
    assert not hub.is_well


async def test_check_layer__answers(layer: SpyLayer, hub: Hub) -> None:
    assert await hub.check_layer(1)


async def test_check_layer__fails(layer: SpyLayer, hub: Hub) -> None:
    layer.error = ConnectionError("refused")
    assert not await hub.check_layer(1)


async def test_check_layer__does_not_wait_for_ever(layer: SpyLayer, hub: Hub) -> None:
    layer.open.clear()
    assert not await hub.check_layer(0.01)


async def test_check_layer__reaches_no_user(layer: SpyLayer, hub: Hub) -> None:
    await hub.check_layer(1)
    assert not [group for name, group in layer.calls if name == "group_send" and group.startswith("updates-")]


# -- Signs of life


@pytest.fixture
def hasty(settings: Settings) -> None:
    settings.CATMAID_NOTIFY_PING_SECONDS = 0.04
    settings.CATMAID_NOTIFY_PONG_SECONDS = 0.02


@pytest.mark.usefixtures("hasty")
async def test_ping__silent_socket_is_closed(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    assert await listener.closed() == Close.SILENT
    assert listener.events == ["ping"]


@pytest.mark.usefixtures("hasty")
async def test_ping__plain_socket_is_left_alone(layer: SpyLayer, hub: Hub) -> None:
    plain, silent = await joined(hub, is_v1=False), await joined(hub)
    await silent.closed()
    assert plain.codes == []
    assert plain.texts == []


@pytest.mark.usefixtures("hasty")
async def test_ping__socket_that_answers_stays(layer: SpyLayer, hub: Hub) -> None:
    listener = await joined(hub)
    for count in range(1, 5):
        ping = json.loads((await listener.got(count))[-1])
        listener.socket.pong(ping["payload"]["nonce"])
    assert listener.codes == []


@pytest.mark.usefixtures("hasty")
async def test_ping__socket_that_left_gets_none(layer: SpyLayer, hub: Hub) -> None:
    gone = await joined(hub)
    hub.leave(gone.socket)
    await (await joined(hub)).closed()
    assert gone.texts == []
    assert gone.codes == []


async def test_ping__time_for_the_answer_is_kept_in_any_case(
    layer: SpyLayer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round of pings takes time, so its last socket is pinged later than the round began."""
    clock = Clock(monkeypatch)
    listeners = await due_together(clock, 50, settings, pong_seconds=10.0)
    clock.tick = 0.01  # what each look at the clock takes
    await clock.turn()
    clock.tick = 0.0
    assert all(listener.events == ["ping"] for listener in listeners)
    for _ in range(30):
        clock.now += 0.5
        await clock.turn()
    assert [listener.codes for listener in listeners] == [[Close.SILENT]] * 50


@pytest.mark.parametrize(
    ("due", "seconds"),
    [
        ([], 1.0),
        ([[130.0], []], 1.0),  # sockets that come meanwhile are due later, but settings may change
        ([[100.3], [100.2]], 0.2),
        ([[100.6, 100.7], []], 0.6),
        ([[100.001], []], 0.02),
        ([[99.0], []], 0.02),
    ],
)
def test_ping__each_when_it_is_due(settings: Settings, due: list[list[float]], seconds: float) -> None:
    """Thousands of pings at once, every second, would delay messages."""
    settings.CATMAID_NOTIFY_PING_SECONDS = 25
    settings.CATMAID_NOTIFY_PONG_SECONDS = 10
    queues: list[heartbeat.Due] = [deque((when, Mock()) for when in times) for times in due]
    assert heartbeat.until_due(100.0, *queues) == pytest.approx(seconds)


async def test_ping__many_that_are_due_at_once_leave_turns_to_others(
    layer: SpyLayer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    listeners = await due_together(clock, 100, settings, pong_seconds=1000.0)
    clock.slept.clear()
    async with asyncio.timeout(PATIENCE):
        while not all(listener.events == ["ping"] for listener in listeners):
            await clock.turn()
    assert clock.slept.count(0) >= 9


async def due_together(clock: Clock, count: int, settings: Settings, *, pong_seconds: float) -> list[Listener]:
    """Join ``count`` sockets and wait until all pings are due."""
    settings.CATMAID_NOTIFY_PING_SECONDS = 1000.0
    settings.CATMAID_NOTIFY_PONG_SECONDS = pong_seconds
    hub = get_hub()
    listeners = [await joined(hub) for _ in range(count)]
    clock.now += 1000
    return listeners


class Clock:
    """Fake clock of the hub and its sockets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        self.tick = 0.0
        self.slept: list[float] = []
        self._sleeping = asyncio.Event()
        self._awake = asyncio.Event()
        for module in (hub_module, heartbeat, socket_module):  # not everywhere: the loop's own timers go on
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=self._monotonic))
        sleep = asyncio.sleep

        async def wait(seconds: float) -> None:
            self.slept.append(seconds)
            if seconds == 0:
                await sleep(0)
                return
            self._sleeping.set()
            await self._awake.wait()
            self._awake.clear()

        monkeypatch.setattr(asyncio, "sleep", wait)

    async def turn(self) -> None:
        """Let the hub's periodic tasks run once."""
        await self._sleeping.wait()
        self._sleeping.clear()
        self._awake.set()
        await self._sleeping.wait()

    def _monotonic(self) -> float:
        self.now += self.tick
        return self.now


async def test_leave__closed_page_leaves_nothing_behind(
    hub: Hub, page: Callable[..., Page], django_user_model: Any, settings: Settings
) -> None:
    opened = await page(user=django_user_model(pk=7)).live()
    assert hub.sockets == 1
    await opened.leave()
    assert hub.sockets == 0

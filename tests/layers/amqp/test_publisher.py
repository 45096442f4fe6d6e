"""The publisher with a fake channel whose answers a test controls: order, confirms, refusals, deadlines, bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock

import pamqp.frame
import pytest
from aiormq import spec
from pamqp.body import ContentBody

from catmaid_notify.layers.amqp import connection, publisher
from catmaid_notify.layers.amqp.publisher import MessageRejected, NotPublished, Publisher
from catmaid_notify.layers.amqp.transport import FrameHandler
from catmaid_notify.layers.options import LayerOptions
from tests.support.waiting import eventually_here

FRAME_MAX = 131_072


class FakeInterceptor:
    """Fake of the `FrameInterceptor`, with the parts that the publisher uses."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.at_once: list[bytes] = []
        """Pieces that another thread has written."""
        self.is_free = True
        self.meanwhile: Callable[[], None] = lambda: None
        """Called in the middle of a write, as a signal handler is."""
        self.handlers: dict[int, FrameHandler] = {}
        self.is_paused = False

    def set_handler(self, channel_number: int, handler: FrameHandler) -> None:
        self.handlers[channel_number] = handler

    def write(self, frames: bytes) -> None:
        self.writes.append(frames)

    def try_write(self, frames: bytes) -> bool:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        if self.is_free:
            self.writes.append(frames)
            self.at_once.append(frames)
        return self.is_free

    def pause_reading(self, _seconds: float) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class FakeChannel:
    """Fake of a connection and its aiormq channel, with the parts that the publisher uses."""

    number = 1

    def __init__(self) -> None:
        self.connection = self
        self.connection_tune = self
        self.frame_max = FRAME_MAX
        self.interceptor = FakeInterceptor()
        self.closing = asyncio.get_running_loop().create_future()
        self.declared: list[str] = []
        self.may_declare = asyncio.Event()
        self.may_declare.set()

    async def channel(self, **_options: Any) -> FakeChannel:
        return self

    async def get_underlay_channel(self) -> FakeChannel:
        return self

    async def exchange_declare(self, *_arguments: Any, **_options: Any) -> None:
        """Accept the declaration."""

    async def queue_declare(self, queue: str, **_options: Any) -> None:
        await self.may_declare.wait()
        self.declared.append(queue)

    def written(self) -> list[bytes]:
        """Return the bodies written since the last call."""
        bodies = []
        raw = b"".join(self.interceptor.writes)
        self.interceptor.writes.clear()
        while raw:
            size, _, frame = pamqp.frame.unmarshal(raw)
            raw = raw[size:]
            if isinstance(frame, ContentBody):
                bodies.append(frame.value)
        return bodies

    def answer(self, frame: Any) -> bool:
        """Give a frame to the publisher; return true if it was handled."""
        raw = pamqp.frame.marshal(frame, self.number)
        return self.interceptor.handlers[self.number](raw[0], raw[7:-1])


class Answers:
    """Results of messages, by name."""

    def __init__(self) -> None:
        self.got: dict[str, NotPublished | None] = {}

    def of(self, name: str) -> Any:
        return lambda error: self.got.__setitem__(name, error)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Return a factory of publishers without a broker; all are closed at the end."""
    made: list[Publisher] = []

    async def run(_self: connection.Connection) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(connection.Connection, "run", run)

    def make(*, is_local: bool = True, **config: Any) -> Publisher:
        made.append(Publisher(LayerOptions.from_config(config), asyncio.get_running_loop(), is_local=is_local))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def connected(one: Publisher) -> FakeChannel:
    """Set a publisher up with a new fake channel."""
    channel = FakeChannel()
    await one._set_up(channel)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    return channel


async def turn() -> None:
    """Let the loop run all callbacks that are due."""
    for _ in range(3):
        await asyncio.sleep(0)


def submit(one: Publisher, answers: Answers, *names: str, **options: Any) -> None:
    for name in names:
        one.submit("groups", options.pop("key", "g"), name.encode(), done=answers.of(name), **options)


async def test_submit__what_comes_in_one_turn_goes_out_in_one_write_in_order(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    submit(one, answers, "a", "b", "c")
    await turn()
    assert len(channel.interceptor.writes) == 1
    assert channel.written() == [b"a", b"b", b"c"]


async def test_submit__before_the_broker_is_there_it_waits(make: Any, answers: Answers) -> None:
    one = make()
    submit(one, answers, "a", "b")
    await turn()
    channel = await connected(one)
    assert channel.written() == [b"a", b"b"]


async def test_confirm__one_and_many(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    submit(one, answers, "a", "b", "c", "d")
    await turn()
    channel.answer(spec.Basic.Ack(delivery_tag=2))
    assert answers.got == {"b": None}
    channel.answer(spec.Basic.Ack(delivery_tag=3, multiple=True))
    assert answers.got == {"b": None, "a": None, "c": None}
    assert not one.flush(0)
    channel.answer(spec.Basic.Ack(delivery_tag=4))
    assert one.flush(0)


async def test_confirm__unknown_tags_harm_nobody(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    submit(one, answers, "a")
    await turn()
    channel.answer(spec.Basic.Ack(delivery_tag=77))
    channel.answer(spec.Basic.Nack(delivery_tag=78))
    assert answers.got == {}
    channel.answer(spec.Basic.Ack(delivery_tag=1))
    assert answers.got == {"a": None}


async def test_refused__only_those_that_the_broker_names(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    submit(one, answers, "a", "b", "c")
    await turn()
    channel.answer(spec.Basic.Nack(delivery_tag=2, multiple=True))
    channel.answer(spec.Basic.Ack(delivery_tag=3))
    assert isinstance(answers.got["a"], MessageRejected)
    assert isinstance(answers.got["b"], MessageRejected)
    assert answers.got["c"] is None


async def test_other_frames_go_to_the_driver(make: Any) -> None:
    channel = await connected(make())
    assert not channel.answer(spec.Queue.DeclareOk(queue="q", message_count=0, consumer_count=0))
    assert not channel.answer(ContentBody(bytes(20)))
    assert channel.answer(spec.Basic.Ack(delivery_tag=1))


async def test_deadline__no_confirm__all_under_way_are_given_up_and_the_connection_with_them(
    make: Any, answers: Answers
) -> None:
    one = make(publish_timeout=0.2)
    await connected(one)
    submit(one, answers, "a", "b")
    await eventually_here(lambda: {"a", "b"} <= set(answers.got))
    assert "no confirm within 0.2 s" in str(answers.got["a"])
    assert one._broken is not None
    assert isinstance(one._broken.exception(), TimeoutError)
    assert one.flush(0)


async def test_deadline__no_broker__each_at_its_own_time(make: Any, answers: Answers) -> None:
    one = make(publish_timeout=0.3)
    submit(one, answers, "a")
    await asyncio.sleep(0.15)
    submit(one, answers, "b")
    await eventually_here(lambda: {"a"} <= set(answers.got))
    assert "b" not in answers.got
    channel = await connected(one)
    assert channel.written() == [b"b"]


async def test_deadline__confirmed_in_time__the_connection_stays(make: Any, answers: Answers) -> None:
    one = make(publish_timeout=0.2)
    channel = await connected(one)
    submit(one, answers, "a")
    await turn()
    channel.answer(spec.Basic.Ack(delivery_tag=1))
    await asyncio.sleep(0.15)
    submit(one, answers, "b")
    await asyncio.sleep(0.1)  # beyond the deadline of the first one, not of the second
    assert answers.got == {"a": None}
    assert one._broken is not None
    assert not one._broken.done()


async def test_lost_connection__what_was_under_way_is_not_sent_again(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    submit(one, answers, "a")
    await turn()
    channel.closing.set_exception(ConnectionError("404 no exchange 'groups'"))
    await eventually_here(lambda: {"a"} <= set(answers.got))
    assert "404" in str(answers.got["a"])
    submit(one, answers, "b")
    await turn()
    again = await connected(one)
    assert again.written() == [b"b"]
    again.answer(spec.Basic.Ack(delivery_tag=1))  # tags begin anew
    assert answers.got["b"] is None


async def connected_twice(one: Any, answers: Answers) -> tuple[Any, Any]:
    """Lose a connection with "a" in flight, and send "b" on the next one; return both channels."""
    old = await connected(one)
    submit(one, answers, "a")
    await turn()
    one._broken.set_exception(TimeoutError("no confirm"))
    await eventually_here(lambda: "a" in answers.got)
    new = await connected(one)
    submit(one, answers, "b")
    await turn()
    return old, new


async def test_lost_connection__its_channel_that_closes_late_leaves_the_next_one_alone(
    make: Any, answers: Answers
) -> None:
    """The driver may take half a minute to close, since TLS waits for the last answer."""
    one = make()
    old, new = await connected_twice(one, answers)
    old.closing.set_exception(ConnectionError("closed at last"))
    await turn()
    assert not one._broken.done()
    new.answer(spec.Basic.Ack(delivery_tag=1))
    assert answers.got["b"] is None


async def test_lost_connection__its_late_confirm_is_for_none_of_the_next_ones_messages(
    make: Any, answers: Answers
) -> None:
    one = make()
    old, new = await connected_twice(one, answers)
    assert old.answer(spec.Basic.Ack(delivery_tag=1)), "the driver knows nothing of it, either"
    assert not old.answer(spec.Channel.CloseOk())
    assert "b" not in answers.got
    new.answer(spec.Basic.Ack(delivery_tag=1))
    assert answers.got["b"] is None


async def test_lost_connection__a_queue_that_it_has_not_declared_leaves_the_next_one_alone(
    make: Any, answers: Answers
) -> None:
    one = make(publish_timeout=0.2)
    old = await connected(one)
    old.may_declare.clear()
    submit(one, answers, "a", key="q", queue_arguments={})
    await turn()
    old.closing.set_exception(ConnectionError("lost"))
    await turn()
    await connected(one)
    await eventually_here(lambda: "a" in answers.got)
    assert not one._broken.done()


async def test_in_flight__bounded_by_count_and_by_bytes(
    make: Any, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "IN_FLIGHT_MAX", 2)
    monkeypatch.setattr(publisher, "IN_FLIGHT_BYTES_MAX", 100)
    one = make()
    channel = await connected(one)
    submit(one, answers, "a", "b", "c" * 100, "d")
    await turn()
    assert channel.written() == [b"a", b"b"]
    channel.answer(spec.Basic.Ack(delivery_tag=1))
    assert channel.written() == [b"c" * 100]
    channel.answer(spec.Basic.Ack(delivery_tag=2))
    assert channel.written() == []  # 100 bytes are under way
    channel.answer(spec.Basic.Ack(delivery_tag=3))
    assert channel.written() == [b"d"]


async def test_confirms_left_in_the_socket__only_while_nobody_waits(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    rested: list[bool] = []
    for done in (None, answers.of("b"), None):
        one.submit("groups", "g", b"x", done=done)
        await turn()
        rested.append(channel.interceptor.is_paused)
    channel.answer(spec.Basic.Ack(delivery_tag=2, multiple=True))
    one.submit("groups", "g", b"x")
    await turn()
    assert [*rested, channel.interceptor.is_paused] == [True, False, False, True]


async def test_confirms_left_in_the_socket__not_while_they_would_make_room(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "IN_FLIGHT_MAX", 1)
    one = make()
    channel = await connected(one)
    one.submit("groups", "g", b"a")
    await turn()
    at_first = channel.interceptor.is_paused
    one.submit("groups", "g", b"b")
    await turn()
    assert [at_first, channel.interceptor.is_paused] == [True, False]


async def test_confirms_left_in_the_socket__lost_ones_are_awaited_no_more(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    submit(one, answers, "a")
    await turn()
    channel.closing.set_exception(ConnectionError("lost"))
    await eventually_here(lambda: "a" in answers.got)
    again = await connected(one)
    one.submit("groups", "g", b"b")
    await turn()
    assert again.interceptor.is_paused


async def test_queue_to_declare__declared_once_and_those_behind_keep_their_order(make: Any, answers: Answers) -> None:
    one = make()
    channel = await connected(one)
    channel.may_declare.clear()
    one.submit("", "q", b"a", queue_arguments={})
    one.submit("", "q", b"b", queue_arguments={})
    one.submit("groups", "g", b"c")
    await turn()
    assert channel.written() == []
    channel.may_declare.set()
    await eventually_here(lambda: channel.interceptor.writes)
    assert channel.written() == [b"a", b"b", b"c"]
    assert channel.declared == ["q"]


async def test_name_that_amqp_cannot_hold__said_to_whoever_sent_it_and_to_nobody_else(
    make: Any, answers: Answers
) -> None:
    one = make()
    channel = await connected(one)
    one.submit("groups", "k" * 256, b"a", done=answers.of("a"))
    submit(one, answers, "b")
    await turn()
    assert "255 bytes" in str(answers.got["a"])
    assert channel.written() == [b"b"]


async def test_full_queue__refused_at_once(make: Any, answers: Answers) -> None:
    one = make(publish_queue=2)
    submit(one, answers, "a", "b", "c")
    assert "2 messages wait already" in str(answers.got["c"])
    assert set(answers.got) == {"c"}


async def test_close__says_it_to_all_that_wait(make: Any, answers: Answers) -> None:
    one = make()
    await connected(one)
    submit(one, answers, "a")
    await turn()
    await one.close()
    assert "the process ends" in str(answers.got["a"])
    assert one.flush(0)


# From another thread


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat no message as part of a burst."""
    monkeypatch.setattr(publisher, "BURST_SECONDS", -1.0)


@pytest.mark.usefixtures("alone")
async def test_at_once__in_order_with_those_that_go_through_the_loop(make: Any, answers: Answers) -> None:
    one = make(is_local=False)
    channel = await connected(one)
    one.submit("groups", "g", b"a")
    one.submit("groups", "g", b"b")
    submit(one, answers, "c")  # somebody waits for it
    one.submit("groups", "g", b"d")
    assert len(channel.interceptor.at_once) == 2
    await turn()
    assert channel.written() == [b"a", b"b", b"c", b"d"]
    one.submit("groups", "g", b"e")
    assert len(channel.interceptor.at_once) == 3
    channel.answer(spec.Basic.Ack(delivery_tag=3))
    assert answers.got == {"c": None}
    assert not one.flush(0)
    channel.answer(spec.Basic.Ack(delivery_tag=5, multiple=True))
    assert one.flush(0)


async def test_at_once__not_in_a_burst(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst is written at once by the loop."""
    monkeypatch.setattr(publisher, "BURST_SECONDS", 60.0)
    one = make(is_local=False)
    channel = await connected(one)
    for body in (b"a", b"b", b"c"):
        one.submit("groups", "g", body)
    assert len(channel.interceptor.at_once) == 1
    await turn()
    assert len(channel.interceptor.writes) == 2
    assert channel.written() == [b"a", b"b", b"c"]


@pytest.mark.usefixtures("alone")
async def test_at_once__the_socket_has_no_room__through_the_loop(make: Any, answers: Answers) -> None:
    one = make(is_local=False)
    channel = await connected(one)
    one.submit("groups", "g", b"a")
    channel.interceptor.is_free = False
    one.submit("groups", "g", b"b")
    channel.interceptor.is_free = True
    one.submit("groups", "g", b"c")  # not past the one that waits
    await turn()
    submit(one, answers, "d")
    await turn()
    assert channel.written() == [b"a", b"b", b"c", b"d"]
    channel.answer(spec.Basic.Ack(delivery_tag=4))
    assert answers.got == {"d": None}


@pytest.mark.usefixtures("alone")
async def test_at_once__flush_waits_for_its_confirm(make: Any) -> None:
    one = make(is_local=False)
    channel = await connected(one)
    one.submit("groups", "g", b"a")
    assert not one.flush(0)
    channel.answer(spec.Basic.Ack(delivery_tag=1))
    assert one.flush(0)
    assert channel.interceptor.is_paused  # the confirms of those that follow are read together


@pytest.mark.usefixtures("alone")
async def test_at_once__bounded_as_all_others(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "IN_FLIGHT_MAX", 1)
    one = make(is_local=False)
    channel = await connected(one)
    one.submit("groups", "g", b"a")
    one.submit("groups", "g", b"b")
    await turn()
    assert channel.written() == [b"a"]
    channel.answer(spec.Basic.Ack(delivery_tag=1))
    assert channel.written() == [b"b"]


@pytest.mark.usefixtures("alone")
async def test_at_once__without_a_confirm_given_up_in_time(make: Any) -> None:
    one = make(is_local=False, publish_timeout=0.2)
    await connected(one)
    one.submit("groups", "g", b"a")
    await eventually_here(lambda: one.dropped == 1)
    assert isinstance(one._broken.exception(), TimeoutError)


@pytest.mark.usefixtures("alone")
async def test_at_once__lost_with_the_connection_and_not_sent_again(make: Any) -> None:
    one = make(is_local=False)
    channel = await connected(one)
    one.submit("groups", "g", b"a")
    channel.closing.set_exception(ConnectionError("lost"))
    await eventually_here(lambda: one.dropped == 1)
    one.submit("groups", "g", b"b")
    again = await connected(one)
    one.submit("groups", "g", b"c")
    await turn()
    assert again.written() == [b"b", b"c"]


@pytest.mark.usefixtures("alone")
async def test_at_once__interrupted__begins_anew_since_the_broker_may_count_differently(make: Any) -> None:
    one = make(is_local=False)
    channel = await connected(one)

    def interrupt() -> None:
        raise KeyboardInterrupt

    channel.interceptor.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        one.submit("groups", "g", b"a")
    await eventually_here(lambda: one._broken.done())
    assert "interrupted" in str(one._broken.exception())


@pytest.mark.usefixtures("alone")
async def test_at_once__a_signal_handler_that_sends__waits_for_nothing(make: Any) -> None:
    one = make(is_local=False)
    channel = await connected(one)
    channel.interceptor.meanwhile = lambda: one.submit("groups", "g", b"b")
    one.submit("groups", "g", b"a")
    await turn()
    assert channel.written() == [b"a", b"b"]


async def test_through_the_loop__interrupted_while_it_is_woken__the_next_one_wakes_it(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "BURST_SECONDS", 60.0)  # nothing is written at once
    one = make(is_local=False)
    channel = await connected(one)
    one.submit("groups", "g", b"a")
    await turn()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "call_soon_threadsafe", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            one.submit("groups", "g", b"b")
    one.submit("groups", "g", b"c")
    await turn()
    assert channel.written() == [b"a", b"b", b"c"]


@pytest.mark.usefixtures("alone")
async def test_at_once__a_name_that_amqp_cannot_hold(make: Any) -> None:
    one = make(is_local=False)
    channel = await connected(one)
    one.submit("groups", "k" * 256, b"a")
    await turn()
    assert one.dropped == 1
    one.submit("groups", "g", b"b")
    assert channel.written() == [b"b"]

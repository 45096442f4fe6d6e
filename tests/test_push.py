"""`push`: it neither raises nor waits, whatever the channel layer does."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer, InMemoryChannelLayer, channel_layers

from catmaid_notify import push as push_module
from catmaid_notify.layers import loop_thread
from catmaid_notify.push import push
from catmaid_notify.realtime.hub import Hub, get_hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

    from tests.support.drivers import Page

MESSAGE: Any = {"type": "user.message", "data": "a"}

Sent = list[tuple[str, dict[str, Any]]]

sent: Sent = []
"""Messages that the layers of this test have got. Layers of earlier tests may still send."""
changed = threading.Condition()


class Remote:
    """Fake of a layer with a server, such as channels_redis."""

    behaviour: Any = None
    """Called by ``group_send`` first."""

    def __init__(self, **config: Any) -> None:
        if config.get("broken"):
            raise RuntimeError("broken layer")
        self._behaviour = Remote.behaviour
        self._sent = sent

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self._behaviour is not None:
            await self._behaviour(group, message)
        with changed:
            self._sent.append((group, message))
            changed.notify_all()


class Strict(BaseChannelLayer):
    """Layer that validates names, as all real ones do."""

    def group_send_nowait(self, group: str, message: dict[str, Any]) -> None:
        self.require_valid_group_name(group)
        sent.append((group, message))


class Nowait(Remote):
    """Layer that takes messages from any thread, as ours does."""

    def group_send_nowait(self, group: str, message: dict[str, Any]) -> None:
        sent.append((group, message))


class Interrupted(Remote):
    """Layer in which Celery's time limit strikes; a signal handler raises it anywhere."""

    def group_send_nowait(self, group: str, _message: dict[str, Any]) -> None:
        raise SoftTimeLimitExceeded if group == "updates-7" else ValueError("bad")


@pytest.fixture(autouse=True)
def nothing_sent() -> Iterator[None]:
    global sent
    sent = []
    yield
    Remote.behaviour = None


def use(settings: Settings, layer: str = "Remote", **config: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"tests.test_push.{layer}", "CONFIG": config}}


def wait_for(count: int) -> Sent:
    with changed:
        assert changed.wait_for(lambda: len(sent) >= count, timeout=5), sent
    return sent


# -- Layers


def test_push__layer_gets_group_and_message(settings: Settings) -> None:
    use(settings)
    push("updates-7", MESSAGE)
    assert wait_for(1) == [("updates-7", {**MESSAGE, "group": "updates-7"})]


def test_push__keeps_the_order(settings: Settings) -> None:
    use(settings)
    for number in range(200):
        push(f"updates-{number}", MESSAGE)
    assert [group for group, _message in wait_for(200)] == [f"updates-{number}" for number in range(200)]


def test_push__layer_of_the_sites_loops_is_not_used_on_another_one(settings: Settings) -> None:
    use(settings)
    push("updates-7", MESSAGE)
    transport: Any = push_module.transport()
    assert transport._layer is not channel_layers["default"]


def test_push__layer_that_takes_messages_from_any_thread(settings: Settings) -> None:
    use(settings, "Nowait")
    push("updates-7", MESSAGE)
    assert [group for group, _message in sent] == ["updates-7"]  # already


def test_push__alias_is_a_setting(settings: Settings) -> None:
    use(settings)
    settings.CHANNEL_LAYERS = {**settings.CHANNEL_LAYERS, "notify": {"BACKEND": "tests.test_push.Nowait"}}
    settings.CATMAID_NOTIFY_CHANNEL_LAYER = "notify"
    push("updates-7", MESSAGE)
    assert len(sent) == 1


def test_push__setting_that_changes_is_seen(settings: Settings) -> None:
    use(settings, "Nowait")
    push("updates-7", MESSAGE)
    settings.CHANNEL_LAYERS = {}
    push("updates-8", MESSAGE)
    assert len(sent) == 1


def test_push__from_several_threads(settings: Settings) -> None:
    use(settings)

    def push_many(name: int) -> None:
        for _ in range(50):
            push(f"updates-{name}", MESSAGE)

    threads = [threading.Thread(target=push_many, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(wait_for(200)) == 200


async def test_push__from_a_running_loop(settings: Settings) -> None:
    use(settings)
    push("updates-7", MESSAGE)
    await asyncio.to_thread(wait_for, 1)


def test_push__does_not_change_what_it_is_given(settings: Settings) -> None:
    use(settings, "Nowait")
    message: Any = {"type": "user.message", "data": "a"}
    push("updates-7", message)
    assert message == {"type": "user.message", "data": "a"}


# -- What goes wrong


@pytest.mark.parametrize(
    "layers",
    [
        {},
        {"other": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
        {"default": {}},
        {"default": {"BACKEND": "no.such.Layer"}},
        {"default": {"BACKEND": "tests.test_push.Remote", "CONFIG": {"broken": True}}},
        {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"no": "such option"}}},
        {"default": {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": "nonsense://"}}},
    ],
    ids=["none", "other alias", "no backend", "no such backend", "broken", "bad config", "bad url"],
)
def test_push__layer_that_can_not_be_made(settings: Settings, layers: dict[str, Any]) -> None:
    settings.CHANNEL_LAYERS = layers
    push("updates-7", MESSAGE)
    push("updates-7", MESSAGE)


def test_push__no_setting_at_all(settings: Settings) -> None:
    del settings.CHANNEL_LAYERS
    push("updates-7", MESSAGE)


@pytest.mark.parametrize(
    "error",
    [ChannelFull, ConnectionError, TimeoutError, RuntimeError, ValueError, asyncio.CancelledError, AttributeError],
)
def test_push__layer_that_raises_gets_the_next_one_all_the_same(settings: Settings, error: type[BaseException]) -> None:
    async def fails(group: str, _message: dict[str, Any]) -> None:
        if group == "updates-7":
            raise error("the layer")

    use(settings)
    Remote.behaviour = fails
    push("updates-7", MESSAGE)
    push("updates-8", MESSAGE)
    assert [group for group, _message in wait_for(1)] == ["updates-8"]


def test_push__time_limit_of_a_task_is_for_the_task(settings: Settings) -> None:
    use(settings, "Interrupted")
    with pytest.raises(SoftTimeLimitExceeded):
        push("updates-7", MESSAGE)


def test_push__without_celery_all_is_caught(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "billiard.exceptions")
    use(settings, "Interrupted")
    push("updates-8", MESSAGE)
    assert "billiard.exceptions" not in sys.modules


@pytest.mark.parametrize("group", ["", "a b", "ü", "x" * 200, "specific!1"], ids=ascii)
def test_push__bad_group_name(settings: Settings, group: str) -> None:
    use(settings, "Strict")
    push(group, MESSAGE)
    assert not sent


def test_push__layer_that_blocks_makes_nobody_wait(settings: Settings) -> None:
    released = threading.Event()

    async def blocks(_group: str, _message: dict[str, Any]) -> None:
        await asyncio.to_thread(released.wait, 5)

    use(settings)
    settings.CATMAID_NOTIFY_PUBLISH_QUEUE_MAX = 50
    Remote.behaviour = blocks
    started = time.monotonic()
    for _ in range(1000):
        push("updates-7", MESSAGE)
    assert time.monotonic() - started < 1
    released.set()
    wait_for(1)


def test_push__full_queue_drops_and_says_so_once(settings: Settings, log: pytest.LogCaptureFixture) -> None:
    waiting, released = threading.Event(), threading.Event()

    async def blocks(group: str, _message: dict[str, Any]) -> None:
        waiting.set()
        if group == "updates-0":
            await asyncio.to_thread(released.wait, 5)

    use(settings)
    settings.CATMAID_NOTIFY_PUBLISH_QUEUE_MAX = 50
    Remote.behaviour = blocks
    push("updates-0", MESSAGE)
    assert waiting.wait(5)
    for number in range(1, 201):
        push(f"updates-{number}", MESSAGE)
    released.set()
    assert [group for group, _message in wait_for(51)] == [f"updates-{number}" for number in range(51)]
    warnings = [record for record in log.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "50 pushes wait" in warnings[0].getMessage()


@contextmanager
def pushed_later(seconds: float, group: str) -> Iterator[None]:
    """Push after the deadline of an earlier push is over."""
    timer = threading.Timer(seconds, push, (group, MESSAGE))
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_push__waits_for_the_broker_only_so_long(settings: Settings) -> None:
    async def hangs(group: str, _message: dict[str, Any]) -> None:
        if group == "updates-7":
            await asyncio.Event().wait()

    use(settings)
    settings.CATMAID_NOTIFY_PUBLISH_SECONDS = 0.05
    Remote.behaviour = hangs
    push("updates-7", MESSAGE)
    with pushed_later(0.1, "updates-8"):
        assert [group for group, _message in wait_for(1)] == ["updates-8"]


def test_push__what_waited_too_long_is_not_sent_any_more(settings: Settings) -> None:
    """After an alarm of the broker, a flood of old events would help nobody: the inbox has the messages."""

    async def hangs(group: str, _message: dict[str, Any]) -> None:
        if group == "updates-0":
            try:
                await asyncio.Event().wait()
            finally:
                time.sleep(0.03)  # noqa: ASYNC251 - now the deadline of all others is over, too

    use(settings)
    settings.CATMAID_NOTIFY_PUBLISH_SECONDS = 0.05
    Remote.behaviour = hangs
    for number in range(20):
        push(f"updates-{number}", MESSAGE)
    with pushed_later(0.1, "updates-99"):
        assert [group for group, _message in wait_for(1)] == ["updates-99"]


def test_log_lost__is_one_line_a_minute(log: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        push_module.log_lost(RuntimeError("lost"))
    lines = [record.getMessage() for record in log.records if record.levelname == "WARNING"]
    assert len(lines) == 1
    assert "RuntimeError: lost" in lines[0]


def test_flush__never_fails() -> None:
    push_module.flush()


def test_flush__waits_until_all_is_sent(settings: Settings) -> None:
    async def takes_a_while(_group: str, _message: dict[str, Any]) -> None:
        await asyncio.sleep(0.02)

    use(settings)
    Remote.behaviour = takes_a_while
    for number in range(5):
        push(f"updates-{number}", MESSAGE)
    push_module.flush()
    assert len(sent) == 5
    push("updates-7", MESSAGE)
    push_module.flush()
    assert len(sent) == 6


def test_flush__layer_that_hangs_is_waited_for_only_so_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    async def hangs(_group: str, _message: dict[str, Any]) -> None:
        await asyncio.to_thread(released.wait, 20)

    monkeypatch.setattr(loop_thread, "EXIT_SECONDS", 0.1)
    use(settings)
    Remote.behaviour = hangs
    push("updates-7", MESSAGE)
    started = time.monotonic()
    push_module.flush()
    waited = time.monotonic() - started
    released.set()
    assert waited < 10
    wait_for(1)


# -- The in-memory layer: this process only


async def test_in_memory__goes_to_the_hub_of_this_process(page: Callable[..., Page], hub: Hub, user_7: Any) -> None:
    opened = await page(user=user_7).live()
    push("updates-7", {"type": "user.message", "data": '{"event":"a","payload":1}'})
    assert (await opened.frame())["event"] == "a"


async def test_in_memory__from_another_thread(page: Callable[..., Page], hub: Hub, user_7: Any) -> None:
    opened = await page(user=user_7).live()
    await asyncio.to_thread(push, "updates-7", {"type": "user.message", "data": '{"event":"a","payload":1}'})
    assert (await opened.frame())["event"] == "a"


@pytest.fixture
def user_7(django_user_model: Any) -> Any:
    return django_user_model(pk=7)


def test_in_memory__without_a_hub_nobody_listens() -> None:
    assert isinstance(channel_layers["default"], InMemoryChannelLayer)
    push("updates-7", MESSAGE)


def test_in_memory__hub_whose_loop_has_ended() -> None:
    async def start() -> None:
        get_hub()

    asyncio.run(start())
    push("updates-7", MESSAGE)

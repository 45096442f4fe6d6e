"""The ASGI endpoints, called as a server calls them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from django.contrib.auth.models import AnonymousUser, User
from django.db import OperationalError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import catmaid_notify
from catmaid_notify.auth import sign_in
from catmaid_notify.models import Message
from catmaid_notify.protocol import SUBPROTOCOL, Close
from catmaid_notify.realtime import commands, consumers
from catmaid_notify.realtime import health as health_checks
from catmaid_notify.realtime.consumers import HealthConsumer
from catmaid_notify.realtime.hub import Hub, get_hub
from tests.support.drivers import HOST, ORIGIN, Page, SpyLayer, http, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client
    from pytest_django import Settings

ANN = User(pk=7, username="ann")
BOB = User(pk=8, username="bob")
GROUP = "updates-7"
TIME = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest_asyncio.fixture
async def live(page: Callable[..., Page]) -> Page:
    """A page of the v1 dialect that has got its `hello`."""
    return await page(user=ANN).live()


@pytest_asyncio.fixture
async def plain(page: Callable[..., Page], hub: Hub) -> Page:
    """A page with CATMAID's client that has joined its group."""
    opened = await page(user=ANN, v1=False).open()
    await until(lambda: hub.count(GROUP) > 0)
    return opened


def event(name: str = "crop-done", payload: Any = None, **others: Any) -> dict[str, Any]:
    """Return the layer message that ``msg_user`` would send."""
    return {"type": "user.message", "data": json.dumps({"event": name, "payload": payload}), **others}


def security_lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == "catmaid_notify.security"]


# -- Handshakes


async def test_handshake__v1_says_hello(page: Callable[..., Page]) -> None:
    opened = page(user=ANN)
    assert await opened.shake_hands() == {"type": "websocket.accept", "subprotocol": SUBPROTOCOL}
    assert await opened.frame() == {
        "event": "hello",
        "payload": {
            "user": "7",
            "ping_ms": 25_000,
            "poll_ms": 60_000,
            "sync_ms": 600_000,
            "version": catmaid_notify.__version__,
        },
    }


async def test_handshake__hello_says_what_the_settings_say(page: Callable[..., Page], settings: Settings) -> None:
    settings.CATMAID_NOTIFY_PING_SECONDS = 1.5
    settings.CATMAID_NOTIFY_POLL_SECONDS = 2
    settings.CATMAID_NOTIFY_LIVE_SYNC_SECONDS = 3
    payload = (await (await page(user=ANN).open()).frame())["payload"]
    assert (payload["ping_ms"], payload["poll_ms"], payload["sync_ms"]) == (1500, 2000, 3000)


async def test_handshake__plain_has_no_subprotocol_and_no_greeting(plain: Page, hub: Hub) -> None:
    assert plain.received == [{"type": "websocket.accept", "subprotocol": None}]
    hub.deliver(GROUP, event())
    assert (await plain.frame())["event"] == "crop-done"


async def test_handshake__other_subprotocols_mean_plain(page: Callable[..., Page]) -> None:
    assert (await page(user=ANN, subprotocols=["graphql-ws"]).shake_hands())["subprotocol"] is None


async def test_handshake__ours_among_others(page: Callable[..., Page]) -> None:
    offered = ["graphql-ws", "catmaid-notify.v2", SUBPROTOCOL]
    assert (await page(user=ANN, subprotocols=offered).shake_hands())["subprotocol"] == SUBPROTOCOL


@pytest.mark.parametrize(
    "offered", ["catmaid-notify.v0", "catmaid-notify.v2", "catmaid-notify.v1.1", "catmaid-notify."]
)
async def test_handshake__dialect_that_is_not_spoken(page: Callable[..., Page], offered: str) -> None:
    opened = page(user=ANN, subprotocols=[offered])
    # A browser drops a connection on which none of its subprotocols is chosen, and then sees no code.
    assert await opened.shake_hands() == {"type": "websocket.accept", "subprotocol": offered}
    assert await opened.close_code() == Close.OLD_DIALECT


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("nobody", [AnonymousUser(), None], ids=["anonymous", "no session"])
async def test_handshake__anonymous(page: Callable[..., Page], hub: Hub, nobody: Any, v1: bool) -> None:  # noqa: FBT001
    opened = page(user=nobody, v1=v1)
    assert (await opened.shake_hands())["type"] == "websocket.accept"
    assert await opened.close_code() == Close.NO_SESSION
    assert hub.sockets == 0


async def test_handshake__anonymous_gets_nothing_afterwards(page: Callable[..., Page], hub: Hub) -> None:
    opened = page(user=AnonymousUser())
    await opened.shake_hands()
    await opened.close_code()
    for group in ("updates-None", "updates-", "updates-AnonymousUser"):
        hub.deliver(group, event())
    assert [sent["type"] for sent in opened.received] == ["websocket.accept", "websocket.close"]


ORIGINS: dict[str, list[tuple[bytes, bytes]]] = {
    "none": [],
    "null": [(b"origin", b"null")],
    "other site": [(b"origin", b"http://evil.example")],
    "other port": [(b"origin", b"http://testserver:8000")],
    "other scheme": [(b"origin", b"https://testserver")],
    "suffix": [(b"origin", b"http://testserver.evil.example")],
    "malformed": [(b"origin", b"http://[")],
    "two": [(b"origin", ORIGIN), (b"origin", b"http://evil.example")],
}


@pytest.mark.parametrize("headers", ORIGINS.values(), ids=ORIGINS)
async def test_handshake__bad_origin_is_refused_before_anything_else(
    page: Callable[..., Page],
    headers: list[tuple[bytes, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
) -> None:
    async def never(_scope: Any) -> None:
        raise AssertionError("The database was asked.")

    monkeypatch.setattr(consumers, "sign_in_of", never)
    opened = page(user=ANN, headers=[(b"host", HOST), *headers])
    assert (await opened.shake_hands())["type"] == "websocket.close"  # before accepting: the server answers 403
    assert len(security_lines(log)) == 1


async def test_handshake__log_line_of_a_refusal_is_short_and_one_line(
    page: Callable[..., Page], log: pytest.LogCaptureFixture
) -> None:
    opened = page(user=ANN, headers=[(b"host", HOST), (b"origin", b"http://evil\r\nERROR fake line" + b"x" * 10_000)])
    await opened.shake_hands()
    [line] = security_lines(log)
    assert len(line) < 300
    assert not set("\r\n") & set(line)


async def test_handshake__too_many_sockets_of_one_user(page: Callable[..., Page], settings: Settings) -> None:
    settings.CATMAID_NOTIFY_SOCKETS_PER_USER = 2
    first = await page(user=ANN).live()
    await page(user=ANN, v1=False).open()
    assert await (await page(user=ANN).open()).close_code() == Close.TOO_MANY_SOCKETS
    await page(user=BOB).live()
    await first.leave()
    await page(user=ANN).live()


async def test_handshake__too_many_that_come_at_once(page: Callable[..., Page], settings: Settings) -> None:
    settings.CATMAID_NOTIFY_SOCKETS_PER_USER = 3
    pages = [page(user=ANN) for _ in range(10)]
    await asyncio.gather(*(opened.open() for opened in pages))
    events = await asyncio.gather(*(opened.event() for opened in pages))
    assert sorted(sent["type"] for sent in events) == ["websocket.close"] * 7 + ["websocket.send"] * 3


async def test_handshake__no_broker(
    page: Callable[..., Page], spy_layer: Callable[[], SpyLayer], settings: Settings
) -> None:
    settings.CATMAID_NOTIFY_CONNECT_SECONDS = 0.02
    layer = spy_layer()
    layer.open.clear()
    assert await (await page(user=ANN).open()).close_code() == Close.NO_BROKER
    layer.open.set()
    await page(user=ANN).live()


async def test_handshake__broker_that_fails(page: Callable[..., Page], spy_layer: Callable[[], SpyLayer]) -> None:
    layer = spy_layer()
    layer.error = ConnectionError("refused")
    assert await (await page(user=ANN).open()).close_code() == Close.NO_BROKER
    assert get_hub().sockets == 0


@pytest.mark.django_db(transaction=True)
async def test_handshake__no_database(
    page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    def away(_key: str) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(sign_in, "_of_sessions", away)
    opened = await page(cookie="sessionid=aaaaaaaaaaaaaaaa").open()
    assert await opened.close_code() == Close.NO_BROKER
    assert "server closed the connection" in log.text


@pytest.mark.django_db(transaction=True)
async def test_handshake__session_cookie(signed_in: Client, user: User, page: Callable[..., Page]) -> None:
    opened = await page(cookie=f"sessionid={signed_in.cookies['sessionid'].value}").open()
    assert (await opened.frame())["payload"]["user"] == f"{user.pk}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cookie", ["sessionid=aaaaaaaaaaaaaaaaaaaaaaaa", 'sessionid="aaaaaaaa\\000"', "sessionid="])
async def test_handshake__what_is_no_session(page: Callable[..., Page], cookie: str) -> None:
    assert await (await page(cookie=cookie).open()).close_code() == Close.NO_SESSION


async def test_handshake__client_that_leaves_while_the_broker_is_slow(
    page: Callable[..., Page], spy_layer: Callable[[], SpyLayer]
) -> None:
    layer = spy_layer()
    layer.open.clear()
    opened = await page(user=ANN).open()
    await until(lambda: get_hub().count(GROUP) == 1)
    leaving = asyncio.create_task(opened.leave())
    layer.open.set()
    await leaving
    assert get_hub().sockets == 0


@pytest.mark.parametrize("error", [OSError, RuntimeError, ValueError])
async def test_handshake__client_that_is_gone_when_it_is_closed(
    page: Callable[..., Page], error: type[Exception]
) -> None:
    async def send(sent: dict[str, Any]) -> None:
        if sent["type"] == "websocket.close":
            raise error("gone")

    opened = await page(user=AnonymousUser(), send=send).open()
    await opened.leave()


# -- Server to client


async def test_send__new_message_in_both_dialects(live: Page, plain: Page, hub: Hub) -> None:
    stored = Message(pk=12, user_id=7, title="<b>Crop</b>", text="t", time=TIME)
    hub.deliver(GROUP, dict(stored.as_layer_message()))
    assert await live.frame() == {
        "event": "new-message",
        "id": 12,
        "payload": {"message_id": 12, "message_title": "<b>Crop</b>", "message": stored.as_dict()},
    }
    assert await plain.frame() == {
        "event": "new-message",
        "payload": {"message_id": 12, "message_title": "&lt;b&gt;Crop&lt;/b&gt;"},
    }


async def test_send__only_to_whose_it_is(live: Page, page: Callable[..., Page], hub: Hub) -> None:
    theirs = await page(user=BOB).live()
    hub.deliver("updates-8", event("theirs"))
    assert (await theirs.frame())["event"] == "theirs"
    assert await live.frames_before() == []


async def test_send__no_frame_after_leaving(live: Page, hub: Hub) -> None:
    await live.leave()
    seen = len(live.received)
    hub.deliver(GROUP, event())
    assert len(live.received) == seen


@pytest.mark.parametrize("suspended", ["v1", "plain"])
async def test_send__socket_that_suspends_delays_nobody_and_keeps_its_order(
    live: Page, page: Callable[..., Page], hub: Hub, suspended: str
) -> None:
    gate = asyncio.Event()

    async def send(sent: dict[str, Any]) -> None:
        if sent["type"] == "websocket.send":
            await gate.wait()

    slow = await page(user=ANN, v1=suspended == "v1", send=send).open()
    await until(lambda: hub.count(GROUP) == 2)
    expected = [f"event-{number}" for number in range(20)]
    for name in expected:
        hub.deliver(GROUP, event(name))
    assert [(await live.frame())["event"] for _ in expected] == expected  # while the slow one still waits
    gate.set()
    seen = [(await slow.frame())["event"] for _ in range(20 + (suspended == "v1"))]
    assert [name for name in seen if name != "hello"] == expected


async def test_send__unread_bytes_close(live: Page, hub: Hub, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 2000
    for _ in range(3):
        hub.deliver(GROUP, event(payload="x" * 900))
    assert await live.close_code() == Close.SILENT


async def test_send__unread_bytes_of_a_plain_socket_close(plain: Page, hub: Hub, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 2000
    for _ in range(3):
        hub.deliver(GROUP, event(payload="x" * 900))
    assert await plain.close_code() == Close.SILENT


async def test_send__nothing_after_the_close(live: Page, hub: Hub, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 100
    for _ in range(3):
        hub.deliver(GROUP, event())
    assert await live.close_code() == Close.SILENT
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 10_000
    hub.deliver(GROUP, event())
    live.say("ping", {"nonce": "a"})
    await live.leave()
    assert live.received[-1]["type"] == "websocket.close"


# -- Signs of life


@pytest.fixture
def hasty(settings: Settings) -> None:
    settings.CATMAID_NOTIFY_PING_SECONDS = 0.04
    settings.CATMAID_NOTIFY_PONG_SECONDS = 0.02


@pytest.mark.usefixtures("hasty")
async def test_ping__no_pong_closes(page: Callable[..., Page]) -> None:
    opened = await page(user=ANN).live()
    assert (await opened.frame())["event"] == "ping"
    assert await opened.close_code() == Close.SILENT


@pytest.mark.usefixtures("hasty")
async def test_ping__pong_keeps_it_open(page: Callable[..., Page]) -> None:
    opened = await page(user=ANN).live()
    for _ in range(4):
        ping = await opened.frame()
        assert ping["event"] == "ping"
        opened.say("pong", ping["payload"])


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("forgery", ["wrong nonce", "no nonce", "old nonce", "ping", "other frames"])
async def test_ping__nothing_but_its_nonce_counts(page: Callable[..., Page], forgery: str) -> None:
    opened = await page(user=ANN).live()
    ping = await opened.frame()
    if forgery == "old nonce":
        opened.say("pong", ping["payload"])
        assert (await opened.frame())["event"] == "ping"
        opened.say("pong", ping["payload"])
    elif forgery == "wrong nonce":
        opened.say("pong", {"nonce": "0" * 16})
    elif forgery == "no nonce":
        opened.say("pong", {})
    elif forgery == "ping":
        opened.say("ping", ping["payload"])
    else:
        opened.say("hello", ping["payload"])
    assert await opened.close_code() == Close.SILENT


@pytest.mark.usefixtures("hasty")
async def test_ping__plain_gets_none(page: Callable[..., Page], hub: Hub) -> None:
    plain = await page(user=ANN, v1=False).open()
    silent = await page(user=ANN).live()
    await silent.close_code()
    hub.deliver(GROUP, event("fence"))
    assert (await plain.frame())["event"] == "fence"


async def test_probe__is_answered(live: Page) -> None:
    live.say("ping", {"nonce": "abc"})
    assert await live.frame() == {"event": "pong", "payload": {"nonce": "abc"}}


@pytest.mark.parametrize("payload", [None, {}, {"nonce": 1}, {"nonce": ["a"]}, {"nonce": None}, "a", [1]], ids=ascii)
async def test_probe__without_a_proper_nonce(live: Page, payload: Any) -> None:
    live.say("ping", payload)
    assert await live.frame() == {"event": "pong", "payload": {"nonce": ""}}


# -- Client to server


@pytest.mark.parametrize("name", ["subscribe", "publish"])
async def test_topics__unknown_one_is_refused(live: Page, name: str) -> None:
    live.say(name, {"event": "a", "payload": 1}, topic="nothing:42", ref="r1")
    assert await live.frame() == {
        "event": "refused",
        "payload": {"reason": "unknown topic"},
        "topic": "nothing:42",
        "ref": "r1",
    }


@pytest.mark.parametrize("topic", ["updates-8", "updates-7", "catmaid-notify-health", "user:8", "", None, 7, ["a"]])
async def test_topics__group_names_are_not_topics(live: Page, hub: Hub, topic: Any) -> None:
    live.say("subscribe", topic=topic, ref=1)
    assert (await live.frame())["event"] == "refused"
    hub.deliver("updates-8", event())
    assert await live.frames_before() == []


FORGED_FRAMES: dict[str, str] = {
    "empty": "",
    "no json": "hello",
    "half": '{"event": "ping"',
    "null": "null",
    "number": "7",
    "text": '"ping"',
    "list": '["ping"]',
    "nothing": "{}",
    "no event": '{"payload": {"nonce": "a"}}',
    "event of a wrong type": '{"event": ["ping"]}',
    "unknown event": '{"event": "launch", "payload": 1}',
    "server's event": '{"event": "new-message", "payload": {"message_id": 1, "message_title": "a"}}',
    "layer's type": '{"type": "user.message", "group": "updates-8", "data": "{}"}',
    "asgi's type": '{"type": "websocket.close", "event": "websocket.disconnect", "user": 8, "group": "updates-8"}',
    "user": '{"event": "subscribe-user", "user": 8}',
    "nan": '{"event": NaN, "payload": Infinity}',
    "digits": '{"event": ' + "1" * 1000 + "}",
    "depth": "[" * 1000,
    "duplicate keys": '{"event": "launch", "event": "launch"}',
    "surrogate": '{"event": "\\ud800"}',
    "nul": '{"event": "\\u0000"}',
}


@pytest.mark.parametrize("text", FORGED_FRAMES.values(), ids=FORGED_FRAMES)
async def test_frames__forged_one_counts_for_nothing(live: Page, page: Callable[..., Page], text: str) -> None:
    theirs = await page(user=BOB).live()
    live.send_text(text)
    assert await live.frames_before() == []
    assert await theirs.frames_before() == []


@pytest.mark.parametrize(("name", "value"), [("digits", "1" * 5000), ("depth", "[" * 100_000)])
async def test_frames__what_breaks_parsers(live: Page, settings: Settings, name: str, value: str) -> None:
    settings.CATMAID_NOTIFY_FRAME_BYTES_MAX = 1_000_000
    live.send_text(f'{{"event": {value}}}' if name == "digits" else value)
    assert await live.frames_before() == []


@pytest.mark.parametrize(
    "text",
    [
        '{"event": "ping", "payload": {"nonce": "\\ud800"}}',
        '{"event": "subscribe", "topic": "\\udfff", "ref": 1}',
        '{"event": "subscribe", "topic": "a", "ref": NaN}',
        '{"event": "publish", "topic": Infinity, "ref": 1e999}',
    ],
    ids=["nonce", "topic", "nan", "infinity"],
)
async def test_frames__what_no_answer_can_repeat(live: Page, text: str) -> None:
    live.send_text(text)
    assert all("event" in frame for frame in await live.frames_before())


async def test_frames__binary_one_counts_for_nothing(live: Page) -> None:
    live.send_bytes(b'{"event": "ping", "payload": {"nonce": "a"}}')
    assert await live.frames_before() == []


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(), max_size=5)
        | st.sampled_from(["ping", "pong", "subscribe", "unsubscribe", "publish", "hello"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["event", "payload", "nonce", "topic", "ref", "type", "user", "group"]), inner
            )
        ),
        max_leaves=8,
    )
)
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_frames__no_json_ends_the_socket(value: Any) -> None:
    async def scenario() -> None:
        opened = await Page(user=ANN).live()
        opened.send_text(json.dumps(value)[:1024])
        assert all(frame["event"] in ("pong", "refused") for frame in await opened.frames_before())
        await opened.leave()

    asyncio.run(scenario())


async def test_frames__plain_clients_are_not_answered(plain: Page, hub: Hub) -> None:
    for text in ('{"event": "ping", "payload": {"nonce": "a"}}', '{"event": "subscribe", "topic": "a"}', "nonsense"):
        plain.send_text(text)
    await plain.heard()
    hub.deliver(GROUP, event("fence"))
    assert (await plain.frame())["event"] == "fence"


async def test_frames__are_not_relayed(plain: Page, page: Callable[..., Page]) -> None:
    """CATMAID's consumer relays a client's frames to its whole group."""
    other = await page(user=ANN).live()
    plain.send_text('{"event": "new-message", "payload": {"message_id": 1, "message_title": "forged"}}')
    assert await other.frames_before() == []


# -- Limits


@pytest.mark.parametrize("kind", ["live", "plain"])
async def test_limits__largest_frame_is_taken(kind: str, hub: Hub) -> None:
    opened = await page_of(kind)
    opened.send_text("x" * 1024)
    await opened.heard()
    hub.deliver(GROUP, event("fence"))
    assert (await opened.frame())["event"] == "fence"
    await opened.leave()


@pytest.mark.parametrize("kind", ["live", "plain"])
@pytest.mark.parametrize(
    "frame", ["x" * 1025, "é" * 513, "🧠" * 257, b"x" * 1025], ids=["ascii", "é", "brain", "bytes"]
)
async def test_limits__larger_frame_closes(kind: str, frame: str | bytes) -> None:
    opened = await page_of(kind)
    opened.send_bytes(frame) if isinstance(frame, bytes) else opened.send_text(frame)
    assert await opened.close_code() == Close.TOO_MANY_FRAMES
    await opened.leave()


async def page_of(kind: str) -> Page:
    opened = Page(user=ANN, v1=kind == "live")
    if kind == "live":
        return await opened.live()
    await opened.open()
    await until(lambda: get_hub().count(GROUP) > 0)
    return opened


@pytest.mark.parametrize("kind", ["live", "plain"])
async def test_limits__too_many_frames_close(kind: str, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_FRAMES_PER_MINUTE = 20
    opened = await page_of(kind)
    for _ in range(21):
        opened.send_text("{}")
    assert await opened.close_code() == Close.TOO_MANY_FRAMES
    await opened.leave()


async def test_limits__as_many_frames_as_allowed(live: Page, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_FRAMES_PER_MINUTE = 20
    for _ in range(19):
        live.send_text("{}")
    assert await live.frames_before() == []


async def test_limits__minute_starts_anew(live: Page, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CATMAID_NOTIFY_FRAMES_PER_MINUTE = 20
    for _ in range(18):
        live.send_text("{}")
    assert await live.frames_before() == []
    monkeypatch.setattr(commands, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 60))
    for _ in range(18):
        live.send_text("{}")
    assert await live.frames_before() == []


async def test_limits__flood_is_one_line_in_the_log(
    live: Page, settings: Settings, log: pytest.LogCaptureFixture
) -> None:
    settings.CATMAID_NOTIFY_FRAMES_PER_MINUTE = 20
    for _ in range(1000):
        live.send_text("{}")
    assert await live.close_code() == Close.TOO_MANY_FRAMES
    await live.leave()
    assert len(security_lines(log)) == 1


async def test_limits__others_are_not_disturbed(live: Page, page: Callable[..., Page], hub: Hub) -> None:
    flooding = await page(user=ANN).live()
    for _ in range(300):
        flooding.send_text("{}")
    assert await flooding.close_code() == Close.TOO_MANY_FRAMES
    hub.deliver(GROUP, event("after"))
    assert (await live.frame())["event"] == "after"


REFUSALS: dict[str, int] = {"anonymous": 4401, "dialect": 4412, "sockets": 4409, "frames": 4429}


@pytest.mark.parametrize("why", REFUSALS)
async def test_log__one_line_with_code_user_and_origin(
    page: Callable[..., Page], settings: Settings, log: pytest.LogCaptureFixture, why: str
) -> None:
    if why == "sockets":
        settings.CATMAID_NOTIFY_SOCKETS_PER_USER = 0
    opened = page(
        user=AnonymousUser() if why == "anonymous" else ANN,
        subprotocols=["catmaid-notify.v0"] if why == "dialect" else None,
        cookie="sessionid=secretsecret",
    )
    await opened.open()
    if why == "frames":
        opened.send_text("secret" * 1000)
    assert await opened.close_code() == REFUSALS[why]
    await opened.leave()
    [line] = security_lines(log)
    assert f"code={REFUSALS[why]}" in line
    assert "http://testserver" in line
    if why in ("sockets", "frames"):
        assert "user='7'" in line
    assert "secret" not in line


# -- Health


async def health(method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    return await http(HealthConsumer.as_asgi(), "/channels/health/", method)


@pytest.mark.django_db(transaction=True)
async def test_health__all_is_well(live: Page) -> None:
    status, headers, body = await health()
    assert status == 200
    assert json.loads(body) == {"status": "ok", "broker": "ok", "database": "ok", "hub": "ok", "sockets": 1}
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.django_db(transaction=True)
async def test_health__broker_is_away(spy_layer: Callable[[], SpyLayer]) -> None:
    spy_layer().error = ConnectionError("amqp://user:password@broker refused")
    status, _headers, body = await health()
    assert status == 503
    assert json.loads(body)["broker"] == "failing"
    assert b"password" not in body


async def test_health__database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("password of the database")

    monkeypatch.setattr(health_checks, "_select_one", away)
    status, _headers, body = await health()
    assert status == 503
    assert json.loads(body)["database"] == "failing"
    assert b"password" not in body


async def test_health__database_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> bool:
        async with asyncio.timeout(health_checks.TIMEOUT_SECONDS):
            await asyncio.Event().wait()
        return True

    monkeypatch.setattr(health_checks, "TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr(health_checks, "database_sync_to_async", lambda *_args, **_options: never)
    assert (await health())[0] == 503


@pytest.mark.django_db(transaction=True)
async def test_health__asking_often_costs_little(spy_layer: Callable[[], SpyLayer]) -> None:
    layer = spy_layer()
    for _ in range(50):
        await health()
    assert layer.count("group_send") == 1


@pytest.mark.django_db(transaction=True)
async def test_health__asked_by_many_at_once_costs_little(spy_layer: Callable[[], SpyLayer]) -> None:
    layer = spy_layer()
    await asyncio.gather(*(health() for _ in range(50)))
    assert layer.count("group_send") == 1


@pytest.mark.django_db(transaction=True)
async def test_health__head_has_no_body() -> None:
    status, _headers, body = await health("HEAD")
    assert (status, body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_health__other_methods(method: str) -> None:
    assert (await health(method))[0] == 405

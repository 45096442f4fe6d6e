from __future__ import annotations

import asyncio
import gc
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from catmaid_notify.auth.sign_in import SignIn
from catmaid_notify.protocol import Close
from catmaid_notify.realtime import socket as socket_module
from catmaid_notify.realtime.socket import Socket
from tests.support.drivers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from pytest_django import Settings


class Server:
    """Fake of an ASGI server's ``send`` that records events and can be made to suspend, as uvicorn's does."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.sent: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.waiting = asyncio.Event()
        self._sent_one = asyncio.Event()

    async def send(self, event: dict[str, Any]) -> None:
        self.started.append(event["text"])
        if not self.gate.is_set():
            self.waiting.set()
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(event["text"])
        self._sent_one.set()

    async def has_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                self._sent_one.clear()
                await self._sent_one.wait()


class Made:
    """A socket with its server and its close codes."""

    def __init__(self, *, is_v1: bool = True) -> None:
        self.server = Server()
        self.codes: list[int] = []
        self.socket = Socket(self.server.send, sign_in=SignIn(user_pk=7), is_v1=is_v1, on_close=self.codes.append)

    def push(self, *texts: str) -> None:
        for text in texts:
            self.socket.push(text)

    def nonce(self) -> str:
        """Ping; return the nonce."""
        self.socket.ping()
        frame = json.loads(self.server.started[-1])
        assert frame["event"] == "ping"
        return str(frame["payload"]["nonce"])


@pytest_asyncio.fixture
async def v1() -> AsyncIterator[Made]:
    made = Made()
    yield made
    made.socket.stop_sending()


@pytest_asyncio.fixture
async def plain() -> AsyncIterator[Made]:
    made = Made(is_v1=False)
    yield made
    made.socket.stop_sending()


async def test_push__is_sent_at_once(v1: Made) -> None:
    v1.push("a", "b")
    assert v1.server.sent == ["a", "b"]


async def test_push__makes_no_task_where_the_server_takes_it(v1: Made) -> None:
    before = asyncio.all_tasks()
    v1.push("a")
    assert asyncio.all_tasks() == before


async def test_push__waits_behind_a_server_that_suspends(v1: Made) -> None:
    v1.server.gate.clear()
    v1.push("a", "b", "c")
    assert v1.server.started == ["a"]
    v1.server.gate.set()
    await v1.server.has_sent(3)
    assert v1.server.sent == ["a", "b", "c"]


async def test_push__keeps_its_order_when_the_server_suspends_now_and_then(v1: Made) -> None:
    pushed = [f"{number}" for number in range(60)]
    for number, text in enumerate(pushed):
        if number % 7 == 3:
            v1.server.gate.clear()
        if number % 7 == 5:
            v1.server.gate.set()
            await asyncio.sleep(0)
        v1.push(text)
    v1.server.gate.set()
    await v1.server.has_sent(len(pushed))
    assert v1.server.sent == pushed


async def test_push__after_a_suspension_goes_at_once_again(v1: Made) -> None:
    v1.server.gate.clear()
    v1.push("a")
    v1.server.gate.set()
    await v1.server.has_sent(1)
    await asyncio.sleep(0)  # lets the writer end
    v1.push("b")
    assert v1.server.sent == ["a", "b"]


async def test_push__delays_no_other_socket(v1: Made) -> None:
    another = Made()
    v1.server.gate.clear()
    v1.push("a")
    another.push("a")
    assert another.server.sent == ["a"]
    assert v1.server.sent == []


@pytest.mark.parametrize("suspends", [False, True])
async def test_push__server_that_is_no_coroutine(v1: Made, suspends: bool) -> None:  # noqa: FBT001
    sent: list[str] = []

    def send(event: dict[str, Any]) -> Awaitable[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if suspends:
            asyncio.get_running_loop().call_soon(future.set_result, None)
        else:
            future.set_result(None)
        future.add_done_callback(lambda _done: sent.append(event["text"]))
        return future

    socket = Socket(send, sign_in=SignIn(user_pk=7), is_v1=True, on_close=v1.codes.append)
    socket.push("a")
    socket.push("b")
    await until(lambda: len(sent) == 2)
    assert sent == ["a", "b"]


# What a server may raise when a client is gone: uvicorn an OSError, others what they like.
SERVER_ERRORS = [OSError, RuntimeError, ValueError, AssertionError, Exception]


@pytest.mark.parametrize("error", SERVER_ERRORS)
async def test_push__never_raises_for_a_client_that_is_gone(v1: Made, error: type[Exception]) -> None:
    v1.server.error = error("gone")
    v1.push("a", "b")


@pytest.mark.parametrize("error", SERVER_ERRORS)
async def test_push__client_that_goes_while_the_server_writes(
    v1: Made, error: type[Exception], log: pytest.LogCaptureFixture
) -> None:
    lost: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: lost.append(context))
    v1.server.gate.clear()
    v1.push("a", "b")
    await v1.server.waiting.wait()
    v1.server.error = error("gone")
    v1.server.gate.set()
    for _ in range(10):
        await asyncio.sleep(0)
    gc.collect()
    v1.push("c")
    assert not lost  # such as "Task exception was never retrieved"


async def test_push__never_overtakes_what_a_cancelled_send_left(v1: Made) -> None:
    """A server may cancel a future that `send` awaits. The socket must not go on with a frame missing."""
    v1.server.gate.clear()
    v1.push("a", "b", "c")
    await v1.server.waiting.wait()
    v1.server.error = asyncio.CancelledError()
    v1.server.gate.set()
    for _ in range(10):
        await asyncio.sleep(0)
    v1.server.error = None
    v1.push("d")
    for _ in range(10):
        await asyncio.sleep(0)
    assert v1.server.sent in ([], ["b", "c", "d"])


async def test_push__after_closing_sends_nothing(v1: Made) -> None:
    v1.socket.close(Close.SILENT)
    v1.push("a")
    assert v1.server.started == []


async def test_close__says_its_code_once(v1: Made) -> None:
    v1.socket.close(Close.SILENT)
    v1.socket.close(Close.NO_SESSION)
    assert v1.codes == [Close.SILENT]


async def test_close__drops_what_waits(v1: Made) -> None:
    v1.server.gate.clear()
    v1.push("a", "b")
    await v1.server.waiting.wait()
    v1.socket.close(Close.SILENT)
    v1.server.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert v1.server.sent == []


async def test_gone__ends_the_writer(v1: Made) -> None:
    before = asyncio.all_tasks()
    v1.server.gate.clear()
    v1.push("a", "b")
    v1.socket.stop_sending()
    await until(lambda: asyncio.all_tasks() == before)
    v1.push("c")
    assert v1.server.started == ["a"]
    assert v1.codes == []


# -- Signs of life


async def test_ping__nonces_differ(v1: Made) -> None:
    first = v1.nonce()
    v1.socket.pong(first)
    assert v1.nonce() != first


@pytest.fixture
def impatient(settings: Settings) -> None:
    """Give clients no time for an answer."""
    settings.CATMAID_NOTIFY_PONG_SECONDS = 0


@pytest.mark.usefixtures("impatient")
async def test_ping__unanswered_one_closes_at_the_next(v1: Made) -> None:
    v1.nonce()
    v1.socket.ping()
    assert v1.codes == [Close.SILENT]


async def test_ping__one_that_may_still_be_answered_is_not_repeated(v1: Made) -> None:
    nonce = v1.nonce()
    v1.socket.ping()
    v1.socket.pong(nonce)
    assert v1.codes == []
    assert len(v1.server.sent) == 1


async def test_pong__keeps_the_socket(v1: Made) -> None:
    for _ in range(3):
        v1.socket.pong(v1.nonce())
    assert v1.codes == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("forged", ["", None, 0, True, [], {}, "0" * 16])
async def test_pong__only_the_nonce_counts(v1: Made, forged: object) -> None:
    v1.nonce()
    v1.socket.pong(forged)
    v1.socket.ping()
    assert v1.codes == [Close.SILENT]


@pytest.mark.usefixtures("impatient")
async def test_pong__old_nonce_counts_for_nothing(v1: Made) -> None:
    first = v1.nonce()
    v1.socket.pong(first)
    v1.nonce()
    v1.socket.pong(first)
    v1.socket.ping()
    assert v1.codes == [Close.SILENT]


async def test_pong__without_a_ping_counts_for_nothing(v1: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 10
    v1.push("a" * 10)
    v1.socket.pong("")
    v1.push("a")
    assert v1.codes == [Close.SILENT]


async def test_is_overdue__after_the_time_for_an_answer(
    v1: Made, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CATMAID_NOTIFY_PONG_SECONDS = 10
    now = [1000.0]
    monkeypatch.setattr(socket_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    seen = [v1.socket.is_overdue]
    nonce = v1.nonce()
    for later in (0, 9, 2):
        now[0] += later
        seen.append(v1.socket.is_overdue)
    v1.socket.pong(nonce)
    seen.append(v1.socket.is_overdue)
    assert seen == [False, False, False, True, False]


async def test_ping__plain_sockets_get_none(plain: Made) -> None:
    for _ in range(5):
        plain.socket.ping()
    assert plain.server.started == []
    assert plain.codes == []
    assert not plain.socket.is_overdue


# -- Bounds


async def test_unacked__too_many_bytes_close(v1: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    v1.push("a" * 500, "b" * 400)  # and a ping
    assert v1.codes == []
    v1.push("c" * 100)
    assert v1.codes == [Close.SILENT]


async def test_unacked__nothing_is_sent_when_the_early_ping_fails(v1: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    v1.server.error = OSError("gone")
    v1.push("a" * 600)
    assert v1.codes == [Close.SILENT]
    assert len(v1.server.started) == 1


async def test_unacked__bytes_are_not_characters(v1: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    v1.push("🧠" * 251)  # 1,004 bytes
    assert v1.codes == [Close.SILENT]


async def test_unacked__client_that_reads_may_get_any_amount(v1: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    answered = 0
    for _ in range(100):
        v1.push("a" * 100)
        pings = [json.loads(text)["payload"]["nonce"] for text in v1.server.sent if "nonce" in text]
        for nonce in pings[answered:]:  # before its time: much was sent
            v1.socket.pong(nonce)
        answered = len(pings)
    assert v1.codes == []
    assert 10 <= answered <= 30


async def test_unacked__pong_acknowledges_what_was_sent_before_its_ping(v1: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 2000
    v1.push("a" * 900)
    nonce = v1.nonce()
    v1.push("b" * 900)
    v1.socket.pong(nonce)
    v1.push("c" * 900)
    assert v1.codes == []
    v1.push("d" * 200)
    assert v1.codes == [Close.SILENT]


async def test_unacked__ping_alone_does_not_start_anew(v1: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    v1.push("a" * 400)
    v1.nonce()
    v1.push("a" * 600)
    assert v1.codes == [Close.SILENT]


async def test_unacked__plain_sockets_have_a_budget_an_interval(plain: Made, settings: Settings) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 100
    for _ in range(3):
        plain.push("a" * 100)
        plain.socket.ping()
    assert plain.codes == []
    plain.push("a" * 101)
    assert plain.codes == [Close.SILENT]


# -- Servers whose transport can be seen


class Transport:
    """Fake of the asyncio transport behind a server's ``send``."""

    def __init__(self) -> None:
        self.waiting = 0

    def get_write_buffer_size(self) -> int:
        return self.waiting


class Seen:
    """Fake of a server's protocol; ``send`` is one of its methods."""

    def __init__(self) -> None:
        self.transport = Transport()

    async def send(self, _event: dict[str, Any]) -> None:
        return


@pytest.fixture
def seen() -> tuple[Seen, Socket, list[int]]:
    """A server, a plain socket on it, and the close codes."""
    server, codes = Seen(), list[int]()
    return server, Socket(server.send, sign_in=SignIn(user_pk=7), is_v1=False, on_close=codes.append), codes


async def test_lag__plain_client_that_reads_may_get_any_amount(
    seen: tuple[Seen, Socket, list[int]], settings: Settings
) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    _server, socket, codes = seen
    for _ in range(100):
        socket.push("a" * 100)
    assert codes == []


async def test_lag__plain_client_that_does_not_read_is_closed_by_size(
    seen: tuple[Seen, Socket, list[int]], settings: Settings
) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    server, socket, codes = seen
    server.transport.waiting = 950
    socket.push("a" * 1000)
    assert codes == [Close.SILENT]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("before", "after", "overdue"), [(0, 9, False), (9, 0, False), (9, 5, True)])
async def test_lag__plain_client_that_does_not_read_is_overdue(
    seen: tuple[Seen, Socket, list[int]],
    before: int,
    after: int,
    overdue: bool,  # noqa: FBT001
) -> None:
    server, socket, _codes = seen
    server.transport.waiting = before
    socket.ping()
    server.transport.waiting = after
    assert socket.is_overdue is overdue


@pytest.mark.parametrize("is_v1", [False, True])
async def test_unacked__reader_that_never_reads_costs_a_bounded_queue(
    settings: Settings,
    is_v1: bool,  # noqa: FBT001
) -> None:
    settings.CATMAID_NOTIFY_UNACKED_BYTES_MAX = 1000
    made = Made(is_v1=is_v1)
    made.server.gate.clear()  # as uvicorn's once the client's window is full
    pushed = 0
    for _ in range(50):
        for _ in range(9):
            made.push("a" * 100)
            pushed += 100
        made.socket.ping()
        if made.codes:
            break
    made.socket.stop_sending()
    assert made.codes == [Close.SILENT]
    assert pushed <= 5000

"""The `FrameInterceptor`: handlers get the frames of their channels, aiormq all others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast
from unittest.mock import Mock

import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from yarl import URL

from catmaid_notify.layers.amqp.transport import HEARTBEAT, FrameInterceptor, InterceptingTransportFactory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

OURS, OTHER = 7, 8
PAUSE_SECONDS = 0.05

streams = st.lists(st.tuples(st.sampled_from([0, OURS, OTHER]), st.binary(max_size=40)), max_size=8)
cuts = st.lists(st.integers(1, 30), min_size=1, max_size=8)


class Clock:
    """Fake of an event loop whose time stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.call_later = Mock()
        self.create_future = Mock()

    def get_debug(self) -> bool:
        return False

    def time(self) -> float:
        return self.now


class Reader(asyncio.StreamReader):
    """Fake of aiormq's stream reader."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop=loop)
        self.fed: list[bytes] = []
        self.is_at_end = False

    def feed_data(self, data: Any) -> None:
        self.fed.append(data)

    def feed_eof(self) -> None:
        self.is_at_end = True


class Site:
    """An interceptor with fakes of its loop, reader and transport."""

    def __init__(self, wants: Callable[[bytes], bool] = lambda _: True) -> None:
        self.clock: Any = Clock()
        self.reader = Reader(self.clock)
        self.socket = Mock()
        self.socket.is_closing.return_value = False
        self.taken: list[tuple[int, bytes]] = []
        self.interceptor = FrameInterceptor(self.reader, cast("Any", self.clock))
        self.interceptor.connection_made(self.socket)

        def handler(kind: int, payload: bytes) -> bool:
            if wants(payload):
                self.taken.append((kind, payload))
            return wants(payload)

        self.interceptor.set_handler(OURS, handler)
        self.interceptor.data_received(HEARTBEAT)  # as the last thing that aiormq has got
        self.reader.fed.clear()


def frame(channel_number: int, payload: bytes) -> bytes:
    return bytes(pamqp.frame.marshal(ContentBody(payload), channel_number))


@given(streams, cuts)
def test_stream__however_it_is_cut(stream: list[tuple[int, bytes]], sizes: list[int]) -> None:
    site = Site(wants=lambda payload: len(payload) % 3 != 0)
    raw = b"".join(frame(number, payload) for number, payload in stream)
    turn = 0
    while raw:
        size = sizes[turn % len(sizes)]
        turn += 1
        site.interceptor.data_received(raw[:size])
        raw = raw[size:]
    ours = [(number == OURS and len(payload) % 3 != 0, number, payload) for number, payload in stream]
    assert site.taken == [(3, payload) for is_ours, _, payload in ours if is_ours]
    assert b"".join(site.reader.fed) == b"".join(
        frame(number, payload) for is_ours, number, payload in ours if not is_ours
    )


def test_taker__from_the_frame_on_after_it_was_named() -> None:
    site = Site()
    first, second = frame(OTHER, b"first"), frame(OTHER, b"second")
    site.interceptor.data_received(first + second[:9])
    handler = Mock(return_value=True)
    site.interceptor.set_handler(OTHER, handler)
    site.interceptor.data_received(second[9:])
    handler.assert_called_once_with(3, b"second")
    assert site.reader.fed == [first]


def test_heartbeat__stands_for_what_is_taken_once_a_second() -> None:
    """Without it aiormq ends a connection on which messages come all the time."""
    site = Site()
    for seconds in (0.1, 0.8, 0.1, 0.1, 0.9):
        site.clock.now += seconds
        site.interceptor.data_received(frame(OURS, b"x"))
    assert site.reader.fed == [HEARTBEAT, HEARTBEAT]


def test_heartbeat__not_for_half_a_frame() -> None:
    site = Site()
    site.clock.now += 60
    site.interceptor.data_received(frame(OURS, b"x")[:-1])
    assert site.reader.fed == []


@pytest.mark.parametrize("answer", [b"AMQP\0\0\x09\1", b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(0, b"x")[:-1] + b"!"])
def test_another_protocol__is_for_aiormq_to_judge_at_once(answer: bytes) -> None:
    site = Site()
    site.interceptor.data_received(answer)
    site.interceptor.data_received(frame(OURS, b"x"))
    site.interceptor.eof_received()
    assert b"".join(site.reader.fed) == answer + frame(OURS, b"x")
    assert site.taken == []


def test_end__half_a_frame_is_aiormqs() -> None:
    site = Site()
    half = frame(OURS, b"x")[:-3]
    site.interceptor.data_received(half)
    site.interceptor.eof_received()
    assert site.reader.fed == [half]
    assert site.reader.is_at_end


def test_pause_reading__ends_by_itself_or_when_told() -> None:
    site = Site()
    site.interceptor.pause_reading(PAUSE_SECONDS)
    site.interceptor.pause_reading(PAUSE_SECONDS)
    site.socket.pause_reading.assert_called_once_with()
    (seconds, wake), _ = site.clock.call_later.call_args
    assert seconds == PAUSE_SECONDS
    site.socket.resume_reading.assert_not_called()
    wake()
    site.socket.resume_reading.assert_called_once_with()
    site.interceptor.resume_reading()
    site.socket.resume_reading.assert_called_once_with()
    site.interceptor.pause_reading(PAUSE_SECONDS)
    site.interceptor.resume_reading()
    assert site.socket.resume_reading.call_count == 2


def test_lost_connection__nothing_reaches_the_socket_any_more() -> None:
    site = Site()
    site.interceptor.pause_reading(PAUSE_SECONDS)
    site.interceptor.connection_lost(None)
    site.interceptor.write(b"late")
    site.interceptor.pause_reading(PAUSE_SECONDS)
    site.interceptor.resume_reading()
    site.socket.write.assert_not_called()
    site.socket.resume_reading.assert_not_called()
    assert site.clock.call_later.return_value.cancel.called


def test_lost_connection__in_the_middle_of_another_threads_write__not_written_and_not_raised() -> None:
    class Losing(FrameInterceptor):
        """Loses its connection right after somebody has read `_socket_writer`."""

        socket_writers: ClassVar[list[Any]] = [None, Mock(try_write=Mock(return_value=False))]

        @property
        def _socket_writer(self) -> Any:
            return self.socket_writers.pop() if self.socket_writers else None

        @_socket_writer.setter
        def _socket_writer(self, socket_writer: Any) -> None:
            """Ignore the value that the parent class sets."""

    clock: Any = Clock()
    interceptor = Losing(Reader(clock), clock)
    assert not interceptor.try_write(b"late")


@asynccontextmanager
async def connected(serve: Any) -> AsyncIterator[tuple[FrameInterceptor, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server on this loop with real sockets, as aiormq does."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        transports = InterceptingTransportFactory()
        url = URL.build(scheme="amqp", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        reader, writer = await transports.create(url, ssl_context_provider=None)
        assert transports.interceptor is not None
        yield transports.interceptor, reader, writer


@pytest.mark.real
async def test_pause_reading__a_real_socket_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the loop's own transports: data of the pause arrives at once afterwards, and writing continues."""
    came: list[bytes] = []
    pieces: list[int] = []
    got = asyncio.Event()

    def look(_: FrameInterceptor, data: bytes) -> bytes:
        pieces.append(len(data))
        return data

    monkeypatch.setattr(FrameInterceptor, "_handle_frames", look)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readexactly(4))
        for _ in range(5):
            writer.write(frame(0, b"x"))
            await writer.drain()
        got.set()
        await reader.read()
        writer.close()

    async with connected(serve) as (interceptor, reader, writer):
        interceptor.pause_reading(60)
        interceptor.write(b"ping")
        async with asyncio.timeout(20):
            await got.wait()
        assert pieces == []
        interceptor.resume_reading()
        async with asyncio.timeout(20):
            await reader.readexactly(5 * len(frame(0, b"x")))
        assert came == [b"ping"]
        writer.close()
        await writer.wait_closed()
        interceptor.write(b"late")


@pytest.mark.real
async def test_write__aiormq_waits_for_the_rest_of_what_a_thread_has_begun() -> None:
    begun, heartbeat = bytes(20_000_000), b"heartbeat"
    came = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set_result(await reader.readexactly(len(begun) + len(heartbeat)))
        writer.close()

    async with connected(serve) as (interceptor, _, writer):
        assert interceptor.try_write(begun)  # more than the socket takes at once
        writer.write(heartbeat)
        async with asyncio.timeout(20):
            assert await came == begun + heartbeat
        writer.close()
        await writer.wait_closed()
        assert not interceptor.try_write(b"late")


def test_heartbeat__is_one() -> None:
    _, number, heartbeat = pamqp.frame.unmarshal(HEARTBEAT)
    assert (number, type(heartbeat).__name__) == (0, "Heartbeat")

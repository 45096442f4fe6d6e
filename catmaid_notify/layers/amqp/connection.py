"""Reconnecting AMQP connection: connect, set up, wait until it is lost, repeat."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection
from pamqp.exceptions import PAMQPException
from yarl import URL

from catmaid_notify.layers.amqp import logging as amqp_logging
from catmaid_notify.layers.amqp.transport import FrameInterceptor, InterceptingTransportFactory
from catmaid_notify.layers.options import LayerOptions, Node
from catmaid_notify.utils.asyncio import being_cancelled

_jitter = random.Random()  # noqa: S311 - spreads reconnects; of our own, since a site may seed the module's
logger = logging.getLogger("catmaid_notify.layers")

BACKOFF_MIN: Final = 0.6  # seconds; less than two tries a second
BACKOFF_MAX: Final = 8.0  # seconds; the longest time until a broker that is back is noticed
VERSION_MIN: Final = (3, 8)
PROTOCOL_ERRORS: Final = (aiormq.exceptions.AMQPError, PAMQPException)
"""AMQP errors that the drivers raise. aiormq 6 passes some of pamqp's on unchanged."""
AMQP_ERRORS: Final = (*PROTOCOL_ERRORS, OSError, EOFError, TimeoutError, asyncio.IncompleteReadError)
"""Errors that a broker or a network may cause. Any other error is a defect of this package."""


class UnsupportedBroker(Exception):
    """The broker is too old."""


def backoff(attempt: int, jitter: float) -> float:
    """Return the seconds to wait before the next try.

    Args:
        attempt: number of consecutive failures before this one.
        jitter: random number in [0, 1).
    """
    ceiling = min(BACKOFF_MAX, BACKOFF_MIN * 2.0 ** min(attempt, 10))
    return BACKOFF_MIN + (ceiling - BACKOFF_MIN) * jitter


def reason(error: BaseException) -> str:
    """Return a description of an error in one line, without secrets."""
    if isinstance(error, PROTOCOL_ERRORS) and "OpenOk" in str(error) and "Close" in str(error):
        # The broker closes the connection instead of opening the vhost, and aiormq drops its reply text. The broker
        # does so for these two reasons.
        return "the vhost does not exist, or the user has no permissions for it"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Connection:
    """Keeps one broker connection open while `run` runs."""

    def __init__(
        self, options: LayerOptions, *, name: str, set_up: Callable[[InterceptedConnection], Awaitable[Awaitable[Any]]]
    ) -> None:
        """Prepare; `run` connects.

        Args:
            options: brokers and time-outs.
            name: purpose of the connection, for logs and RabbitMQ's management pages.
            set_up: called with each new connection. It returns an awaitable that ends, or raises, when something on
                the connection is broken. The connection is then closed and made anew.
        """
        self._options = options
        self._name = name
        self._set_up = set_up
        self._logged_state: str | None = None
        self.is_up = asyncio.Event()
        """Set while a connection is open and ``set_up`` has succeeded."""
        self.last_error = ""
        """Reason of the last failure, with the node; empty while connected."""

    async def run(self) -> None:
        """Connect and reconnect until cancelled."""
        amqp_logging.is_own_connection.set(True)
        attempt = 0
        turn = 0
        while True:
            node = self._options.nodes[turn % len(self._options.nodes)]
            turn += 1
            error: BaseException
            try:
                await self._serve(node)
            except asyncio.CancelledError as cancelled:
                # The drivers also cancel futures of their own that this task awaits. That is a lost connection.
                if being_cancelled():
                    raise
                error = cancelled
            except (*AMQP_ERRORS, UnsupportedBroker) as lost:
                error = lost
            except Exception as unknown:  # a defect must not end this loop: the process would receive nothing any more
                logger.exception("Unexpected error on a broker connection: purpose=%s", self._name)
                error = unknown
            attempt = 0 if self.is_up.is_set() else attempt + 1
            self.is_up.clear()
            self._log_down(node, error)
            # Jitter is not a secret: it only keeps many processes from reconnecting at the same moment.
            await asyncio.sleep(backoff(attempt, _jitter.random()))

    async def _serve(self, node: Node) -> NoReturn:
        """Open one connection, and wait until it is lost.

        Raises:
            Exception: always; the reason.
        """
        connection: InterceptedConnection | None = None
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                connection = await _connect(node, self._options, self._name)
                _check_version(connection)
                broken = asyncio.ensure_future(await self._set_up(connection))
            self.is_up.set()
            self._log_up(node)
            closed = asyncio.ensure_future(connection.closed())
            try:
                await asyncio.wait({closed, broken}, return_when=asyncio.FIRST_COMPLETED)
                raise _error_of(broken) or _error_of(closed) or ConnectionError("the broker closed the connection")
            finally:
                closed.cancel()
                broken.cancel()
        finally:
            if connection is not None:
                await _close(connection)

    def _log_up(self, node: Node) -> None:
        self.last_error = ""
        if self._logged_state != "up":
            self._logged_state = "up"
            logger.info("Broker connected: purpose=%s node=%s", self._name, node)

    def _log_down(self, node: Node, error: BaseException) -> None:
        """Log the loss of a connection once, not each failed try."""
        self.last_error = f"{reason(error)} ({node})"
        if self._logged_state != "down":
            self._logged_state = "down"
            logger.warning("Broker lost: purpose=%s reason=%s", self._name, self.last_error)
            logger.debug("Traceback of the lost connection: purpose=%s", self._name, exc_info=error)


def _error_of(future: asyncio.Future[Any]) -> BaseException | None:
    """Return the exception of a future; ``None`` while it is pending, and if it succeeded or was cancelled."""
    return future.exception() if future.done() and not future.cancelled() else None


class InterceptedConnection(aio_pika.Connection):
    """aio-pika connection with a `FrameInterceptor` on its socket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments of the parent class."""
        super().__init__(*args, **kwargs)
        self._transports = InterceptingTransportFactory()
        self.kwargs["transport_factory"] = self._transports  # aio-pika passes these on to aiormq

    @property
    def interceptor(self) -> FrameInterceptor:
        """Interceptor on the socket of this connection.

        Raises:
            ConnectionError: the connection was never open.
        """
        if self._transports.interceptor is None:
            raise ConnectionError("the connection was never open")
        return self._transports.interceptor

    def __del__(self) -> None:
        """Override the parent's finaliser, which starts a task in whichever thread collects the garbage.

        `Connection` closes each connection itself.
        """


async def _connect(node: Node, options: LayerOptions, name: str) -> InterceptedConnection:
    url = URL.build(
        scheme="amqps" if node.tls else "amqp",
        host=node.host,
        port=node.port,
        user=node.username,
        password=node.password,
        path="/" + node.vhost,
        query={"heartbeat": str(options.heartbeat)},
    )
    return await aio_pika.connect(
        url,
        connection_class=InterceptedConnection,
        timeout=options.connect_timeout,
        ssl_context=options.ssl_context,
        client_properties={"connection_name": f"catmaid_notify {name}"},
    )


def _check_version(connection: AbstractConnection) -> None:
    transport = getattr(connection, "transport", None)
    properties = getattr(getattr(transport, "connection", None), "server_properties", None) or {}
    product, version = str(properties.get("product", "")), str(properties.get("version", ""))
    try:
        parts = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return
    if product == "RabbitMQ" and parts < VERSION_MIN:
        wanted = ".".join(str(part) for part in VERSION_MIN)
        raise UnsupportedBroker(f"RabbitMQ {version} is too old; install {wanted} or newer")


async def _close(connection: AbstractConnection) -> None:
    # On a half-open connection the broker's close-ok never comes, so the wait is bounded.
    with suppress(*AMQP_ERRORS):
        async with asyncio.timeout(2):
            await connection.close()
            await asyncio.sleep(0)  # one turn of the loop for closing the transport: aiormq 6 does not wait for that

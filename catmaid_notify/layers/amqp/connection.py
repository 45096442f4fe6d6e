"""One AMQP connection that comes back: connect, set up, wait until it is lost, again."""

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

logger = logging.getLogger("catmaid_notify.layers")

BACKOFF_MIN: Final = 0.6  # seconds; keeps us below two tries a second
BACKOFF_MAX: Final = 8.0  # seconds; a broker that is back is found within this
VERSION_MIN: Final = (3, 8)
PROTOCOL_ERRORS: Final = (aiormq.exceptions.AMQPError, PAMQPException)
"""What a driver says of what a broker says; aiormq 6 lets some of those of pamqp through."""
AMQP_ERRORS: Final = (*PROTOCOL_ERRORS, OSError, EOFError, TimeoutError, asyncio.IncompleteReadError)
"""What a broker or a network can do to us; anything else is a bug of ours."""


class UnsupportedBroker(Exception):
    """The broker is too old."""


def backoff(attempt: int, jitter: float) -> float:
    """Return the seconds to wait after failed try number ``attempt`` (from 0); ``jitter`` is in [0, 1)."""
    ceiling = min(BACKOFF_MAX, BACKOFF_MIN * 2.0 ** min(attempt, 10))
    return BACKOFF_MIN + (ceiling - BACKOFF_MIN) * jitter


def reason(error: BaseException) -> str:
    """Return one line that says what went wrong, without secrets."""
    if isinstance(error, PROTOCOL_ERRORS) and "OpenOk" in str(error) and "Close" in str(error):
        # aiormq does not tell what the broker said there; it refuses a vhost for two reasons.
        return "the vhost does not exist, or the user has no permissions for it"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Connection:
    """Keeps one connection open as long as `run` runs.

    ``set_up`` is called with each new connection and returns an awaitable that ends when something on it is broken
    (or never); then the connection is closed and made anew.
    """

    def __init__(
        self, options: LayerOptions, *, name: str, set_up: Callable[[InterceptedConnection], Awaitable[Awaitable[Any]]]
    ) -> None:
        self._options = options
        self._name = name
        self._set_up = set_up
        self._logged_state: str | None = None
        self.is_up = asyncio.Event()
        """Set while a connection is open and set up."""
        self.last_error = ""
        """Why the last try failed or the last connection was lost."""

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
                if being_cancelled():
                    raise
                error = cancelled
            except (*AMQP_ERRORS, UnsupportedBroker) as lost:
                error = lost
            except Exception as unknown:  # whatever it is, the process must not stay deaf
                logger.exception("Unexpected error on a broker connection: purpose=%s", self._name)
                error = unknown
            attempt = 0 if self.is_up.is_set() else attempt + 1
            self.is_up.clear()
            self._log_down(node, error)
            # Jitter is no secret: it only keeps processes from coming back in step.
            await asyncio.sleep(backoff(attempt, random.random()))  # noqa: S311

    async def _serve(self, node: Node) -> NoReturn:
        """Open one connection and raise when it is lost."""
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
        """Log the change of state once, not every try."""
        self.last_error = f"{reason(error)} ({node})"
        if self._logged_state != "down":
            self._logged_state = "down"
            logger.warning("Broker lost: purpose=%s reason=%s", self._name, self.last_error)
            logger.debug("Broker lost", exc_info=error)


def _error_of(future: asyncio.Future[Any]) -> BaseException | None:
    """Return why a future has failed, ``None`` if it has not, or if it was only cancelled."""
    return future.exception() if future.done() and not future.cancelled() else None


class InterceptedConnection(aio_pika.Connection):
    """A connection whose frames can be had as they come, see `transport`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As the parent."""
        super().__init__(*args, **kwargs)
        self._transports = InterceptingTransportFactory()
        self.kwargs["transport_factory"] = self._transports  # which it hands on to aiormq

    @property
    def interceptor(self) -> FrameInterceptor:
        """What is on its socket.

        Raises:
            ConnectionError: it was never open.
        """
        if self._transports.interceptor is None:
            raise ConnectionError("the connection was never open")
        return self._transports.interceptor

    def __del__(self) -> None:
        """Do nothing: we close what was opened. The parent starts a task, in whatever thread collects the garbage."""


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
        raise UnsupportedBroker(f"RabbitMQ {version} is too old, {wanted} or newer is needed")


async def _close(connection: AbstractConnection) -> None:
    # A connection that is half open would make us wait for its answer; two seconds are enough for a polite one.
    with suppress(*AMQP_ERRORS):
        async with asyncio.timeout(2):
            await connection.close()
            await asyncio.sleep(0)  # lets the transport go, which aiormq 6 doesn't wait for

"""Small blocking AMQP client that keeps the broker's reason for a refusal. Drivers drop some of these reasons."""

from __future__ import annotations

import socket
import ssl
import struct
from types import TracebackType
from typing import Any, Final, Self

from pamqp import commands, frame, header
from pamqp.body import ContentBody

HEAD: Final = struct.Struct(">BHI")  # type, channel, size of the payload
FRAME_BYTES_MAX: Final = 1024 * 1024
CAPABILITIES: Final = {"authentication_failure_close": True, "connection.blocked": True, "publisher_confirms": True}


class NotAmqp(Exception):
    """The peer is not an AMQP 0-9-1 server."""


class ClosedByBroker(Exception):
    """The broker closed the channel or the connection, with a reason."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Blocked(Exception):
    """The broker accepts no messages because of an alarm (memory or disk)."""


class Amqp:
    """One connection with one channel. Every method raises OSError for errors of the network."""

    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        """Connect by TCP. Call `wrap` for TLS, then `begin` for AMQP.

        Args:
            host: name or address.
            port: TCP port.
            timeout: seconds for each answer of the broker.
        """
        self._socket = socket.create_connection((host, port), timeout)
        self._received = b""
        self.properties: dict[str, Any] = {}
        """Properties that the server announces: product, version and others."""
        self._blocked = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the TCP connection. The broker then deletes the connection's exclusive queues."""
        self._socket.close()

    def wrap(self, context: ssl.SSLContext, host: str) -> None:
        """Start TLS."""
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def begin(self) -> None:
        """Start AMQP: request protocol 0-9-1 and read the server's greeting."""
        self._socket.sendall(frame.marshal(header.ProtocolHeader(), 0))
        start = self._expect(commands.Connection.Start)
        self.properties = dict(start.server_properties or {})

    def log_in(self, username: str, password: str) -> None:
        """Authenticate; raises `ClosedByBroker`."""
        response = f"\0{username}\0{password}"
        properties: dict[str, Any] = {"connection_name": "catmaid_notify check", "capabilities": CAPABILITIES}
        self._send(commands.Connection.StartOk(properties, "PLAIN", response, "en_US"), 0)
        tune = self._expect(commands.Connection.Tune)
        self._send(commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0), 0)

    def open(self, vhost: str) -> None:
        """Open a vhost; raises `ClosedByBroker`."""
        self._send(commands.Connection.Open(vhost), 0)
        self._expect(commands.Connection.OpenOk)

    def channel(self) -> None:
        """Open the channel, for the first time or after the broker has closed it."""
        self._send(commands.Channel.Open())
        self._expect(commands.Channel.OpenOk)

    def call(self, command: Any) -> Any:
        """Send a command and return its answer; raises `ClosedByBroker`, after which a new channel is needed."""
        self._send(command)
        return self._expect(*(frame_class(name) for name in command.valid_responses))

    def publish(self, exchange: str, routing_key: str, body: bytes = b"") -> None:
        """Publish and wait for the confirmation (``Confirm.Select`` first); raises `ClosedByBroker`, `Blocked`."""
        if self._blocked:
            # The broker announces an alarm only once, and confirmations no longer match the order of messages.
            raise Blocked(self._blocked)
        self._send(commands.Basic.Publish(0, exchange, routing_key))
        self._send(header.ContentHeader(0, len(body), commands.Basic.Properties()))
        if body:
            self._send(ContentBody(body))
        self._expect(commands.Basic.Ack, commands.Basic.Nack)

    def _send(self, value: Any, channel: int = 1) -> None:
        self._socket.sendall(frame.marshal(value, channel))

    def _expect(self, *kinds: type[Any]) -> Any:
        while True:
            received = self._receive()
            if isinstance(received, kinds):
                return received
            if isinstance(received, commands.Connection.Close | commands.Channel.Close):
                if isinstance(received, commands.Channel.Close):
                    self._send(commands.Channel.CloseOk())
                raise ClosedByBroker(received.reply_code or 0, received.reply_text or "")
            if isinstance(received, commands.Connection.Blocked):
                self._blocked = received.reason or "blocked"
                raise Blocked(self._blocked)
            # Heartbeats and other frames are skipped.

    def _receive(self) -> Any:
        head = self._read(HEAD.size)
        if head[0] not in (1, 2, 3, 8):
            raise NotAmqp(f"it answered {head!r}")
        size = HEAD.unpack(head)[2]
        if size > FRAME_BYTES_MAX:
            raise NotAmqp(f"it announced {size} bytes")
        _, _, received = frame.unmarshal(head + self._read(size + 1))
        return received

    def _read(self, count: int) -> bytes:
        while len(self._received) < count:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the broker closed the connection without a word")
            self._received += data
        found, self._received = self._received[:count], self._received[count:]
        return found


def frame_class(name: str) -> type[Any]:
    """Return pamqp's class for an AMQP method name, such as ``Queue.DeclareOk``."""
    group, _, command = name.partition(".")
    found: type[Any] = getattr(getattr(commands, group), command)
    return found

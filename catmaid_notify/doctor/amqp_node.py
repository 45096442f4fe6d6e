"""Steps for one RabbitMQ node, from the network to its alarms. Each refusal comes with the command that fixes it."""

from __future__ import annotations

import secrets
import shlex
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final

from pamqp import commands

from catmaid_notify.doctor.amqp import Amqp, Blocked, ClosedByBroker, NotAmqp
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, failed, ok, warning
from catmaid_notify.layers.options import PORTS, LayerOptions, Node

VERSION_MIN: Final = (3, 8)
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class NodeVisit:
    """Steps for one node. They share a connection, which each step leaves in the state that the next one needs."""

    def __init__(self, options: LayerOptions, node: Node) -> None:
        self._options = options
        self._node = node
        self._amqp: Amqp | None = None

    @property
    def amqp(self) -> Amqp:
        """Connection that the step `address` has opened."""
        if self._amqp is None:
            raise RuntimeError("There is no connection to the broker: the step `address` has to run first.")
        return self._amqp

    def address(self, visit: Visit) -> Iterator[Finding]:
        """Resolve the host and connect. Without TLS, start AMQP, too."""
        node = self._node
        try:
            self._amqp = visit.closing.enter_context(Amqp(node.host, node.port, timeout=visit.timeout))
            if not node.tls:
                self._amqp.begin()
        except socket.gaierror as error:
            yield failed(
                f"The host {node.host!r} is not known: {error}", "Correct the host in CHANNEL_LAYERS, or add it to DNS."
            )
        except ConnectionRefusedError:
            yield failed(
                f"Nothing listens on {node.host}:{node.port}.",
                "Check the port: RabbitMQ uses 5672, with TLS 5671; 15672 is its management page.",
                "systemctl status rabbitmq-server",
            )
        except TimeoutError:
            yield failed(
                f"{node.host}:{node.port} does not answer within {visit.timeout:g} s.",
                "Check the host, the firewalls on the way, and whether the port expects TLS (then use amqps://).",
            )
        except (NotAmqp, ConnectionResetError, UnicodeDecodeError) as error:
            yield failed(
                f"The server on {node.host}:{node.port} does not speak AMQP: {error}",
                "Check the port: RabbitMQ uses 5672, with TLS 5671 and amqps://; 15672 is its management page.",
            )
        except OSError as error:
            yield failed(f"{node.host}:{node.port} can't be reached: {error}", "Correct the host in CHANNEL_LAYERS.")
        else:
            yield ok(f"{node.host}:{node.port} {'accepts connections' if node.tls else 'speaks AMQP'}")

    def tls(self, visit: Visit) -> Iterator[Finding]:
        """Start TLS with the context of the channel layer, then AMQP."""
        node = self._node
        try:
            self.amqp.wrap(self._options.ssl_context or ssl.create_default_context(), node.host)
            self.amqp.begin()
        except ssl.SSLCertVerificationError as error:
            yield failed(
                f"The broker's certificate is not trusted: {error.verify_message}",
                "The host in the URL has to be a name in the certificate. For a certificate authority of your own set "
                'ssl_context in CONFIG: ssl.create_default_context(cafile="…").',
            )
        except (OSError, NotAmqp) as error:
            yield failed(
                f"No TLS on {node.host}:{node.port}: {error}",
                f"Without TLS the URL begins with amqp://, and the port is {PORTS['amqp']}; with it the port is "
                f"{PORTS['amqps']}.",
            )
        else:
            yield ok("the certificate is trusted")

    def login(self, _visit: Visit) -> Iterator[Finding]:
        """Authenticate with the name and password of the layer's settings."""
        user = self._node.username
        try:
            self.amqp.log_in(user, self._node.password)
        except ClosedByBroker as refused:
            yield failed(f"The broker refuses user {user!r}: {refused}", *self._login_hints())
        except OSError as error:
            yield failed(f"The broker closed the connection at the login of {user!r}: {error}", *self._login_hints())
        else:
            yield ok(f"as {user!r}")

    def _login_hints(self) -> list[str]:
        user = shlex.quote(self._node.username)
        if self._node.username == "guest":
            away = "" if self._node.host in LOOPBACK else " 'guest' may only come from the broker's own machine."
            return [f"Create a user for this site.{away}", "rabbitmqctl add_user asgi <password>"]
        return [
            "Set the password that CHANNEL_LAYERS has, or add the user. Percent-encode special characters in a URL.",
            f"rabbitmqctl change_password {user} <password>",
            f"rabbitmqctl add_user {user} <password>",
        ]

    def vhost(self, _visit: Visit) -> Iterator[Finding]:
        """Open the vhost of the layer's settings."""
        name = self._node.vhost
        try:
            self.amqp.open(name)
        except ClosedByBroker as refused:
            missing = "not found" in refused.text
            add = [f"rabbitmqctl add_vhost {shlex.quote(name)}"] if missing else []
            yield failed(f"Vhost {name!r} can't be used: {refused}", *add, self._permissions_line())
        else:
            yield ok(repr(name))

    def _permissions_line(self) -> str:
        vhost, user = shlex.quote(self._node.vhost), shlex.quote(self._node.username)
        return f"rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'"

    def permissions(self, _visit: Visit) -> Iterator[Finding]:
        """Try each operation of the channel layer: declare its exchange and a queue, bind, consume, publish."""
        doing = "open a channel"
        try:
            self.amqp.channel()
            for doing, command in self._operations():  # noqa: B007 - named in the text about a refusal
                self.amqp.call(command)
            doing = "publish to the groups"
            self.amqp.publish(self._options.groups_exchange, "catmaid-notify-check")
            doing = "publish to a queue"
            self.amqp.publish("", "catmaid-notify-check")
        except ClosedByBroker as refused:
            yield failed(f"User {self._node.username!r} may not {doing}: {refused}", *self._refusal_hints(refused))
        except Blocked:
            yield ok("declare, bind, consume and publish")  # an alarm is reported by the step `alarms`
        else:
            yield ok("declare, bind, consume and publish")

    def _operations(self) -> list[tuple[str, Any]]:
        exchange, queue = self._options.groups_exchange, f"channels_check_{secrets.token_hex(6)}"
        return [
            ("declare the exchange of the groups", commands.Exchange.Declare(0, exchange, "direct")),
            ("declare a queue", commands.Queue.Declare(0, queue, exclusive=True)),
            ("bind a queue", commands.Queue.Bind(0, queue, exchange, "catmaid-notify-check")),
            ("consume from a queue", commands.Basic.Consume(0, queue, no_ack=True)),
            ("ask for confirmations", commands.Confirm.Select()),
        ]

    def _refusal_hints(self, refused: ClosedByBroker) -> list[str]:
        if refused.code == 406:  # PRECONDITION_FAILED
            return [
                "Another program has declared this exchange with other options. Delete the exchange on RabbitMQ's",
                "management page, use a separate vhost, or set groups_exchange in CONFIG.",
            ]
        return [self._permissions_line()]

    def version(self, _visit: Visit) -> Iterator[Finding]:
        """Compare the version of the broker with the oldest supported one."""
        product, text = self.amqp.properties.get("product"), str(self.amqp.properties.get("version", ""))
        numbers = text.split(".")[:2]
        if product != "RabbitMQ" or not all(number.isdigit() for number in numbers):
            yield warning(f"{product} {text} is not RabbitMQ; this app is tested with RabbitMQ only.")
        elif tuple(map(int, numbers)) < VERSION_MIN:
            yield failed(f"RabbitMQ {text} is too old.", "Install RabbitMQ 3.8 or newer.")
        else:
            yield ok(f"RabbitMQ {text}")

    def alarms(self, visit: Visit) -> Iterator[Finding]:
        """Publish a message and wait for its confirmation, which an alarm of the broker prevents."""
        try:
            self.amqp.publish(self._options.groups_exchange, "catmaid-notify-check")
        except Blocked as blocked:
            yield failed(
                f"The broker takes no messages: {blocked}.",
                "Free disk space or memory; the broker then continues by itself. Messages wait in the inbox meanwhile.",
                "rabbitmq-diagnostics alarms",
            )
        except TimeoutError:
            yield failed(
                f"The broker does not confirm a message within {visit.timeout:g} s.",
                "Check its alarms and its load.",
                "rabbitmq-diagnostics alarms",
            )
        else:
            yield ok("none")

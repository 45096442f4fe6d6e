"""``manage.py notify_check`` and RabbitMQ: each part is broken by itself, and the report names it and mends it."""

from __future__ import annotations

import asyncio
import secrets
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pamqp import commands, frame

from catmaid_notify.doctor import broker, layer
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, Severity
from catmaid_notify.doctor.runner import Step, walk
from catmaid_notify.layers import RabbitmqChannelLayer
from tests.support import broker as nodes
from tests.support import rabbitmq
from tests.support.environment import require
from tests.support.ports import free_port
from tests.support.rabbitmq import HOST, PORT, Vhost, rabbitmqctl

pytestmark = pytest.mark.real
OURS = "catmaid_notify.layers.RabbitmqChannelLayer"
ROUND_TRIP = Step(name="channel layer", run=layer.round_trip)


@pytest.fixture
def examine(settings):
    """Examine a layer with that CONFIG, and return what is found by step."""

    def run(*, steps: list[Step] | None = None, timeout: float = 10, **config: Any) -> dict[str, Finding]:
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": OURS, "CONFIG": config}}
        visit = Visit(timeout=timeout)
        with visit.closing:
            return {found.step: found for found in walk(visit, broker.steps() if steps is None else steps)}

    return run


@pytest.fixture(scope="module")
def user() -> Iterator[str]:
    """A RabbitMQ user with the password "secret" and no rights but those that a test gives."""
    require("rabbitmq")
    name = f"test_{secrets.token_hex(6)}"
    rabbitmqctl("add_user", name, "secret")
    yield name
    rabbitmqctl("delete_user", name)


@pytest.fixture(scope="module")
def shared_vhost() -> Iterator[Vhost]:
    """A vhost for tests that leave nothing in it but the exchange of the groups."""
    require("rabbitmq")
    with rabbitmq.vhost() as made:
        yield made


def failure(found: dict[str, Finding]) -> Finding:
    """Return the one failure; what comes after it is skipped, and nothing else is wrong."""
    [failed] = [one for one in found.values() if one.level is Severity.FAILED]
    assert not [one for one in found.values() if one.level is Severity.WARNING]
    assert all("secret" not in f"{one.text}{one.hints}" for one in found.values())
    return failed


@pytest.mark.classic
def test_broker__all_is_well(examine, vhost):
    found = examine(host=vhost.url)
    assert [step.removeprefix("broker ") for step in found] == [
        "address", "login", "vhost", "permissions", "version", "alarms",
    ]  # fmt: skip
    assert {one.level for one in found.values()} == {Severity.OK}
    assert not vhost.rows("queues", "name"), "nothing is left"


# -- Address


def test_address__unknown_host(examine):
    found = examine(host="amqp://no-such-host.invalid/")
    assert failure(found).step == "broker address"
    assert "'no-such-host.invalid' is not known" in failure(found).text
    assert found["broker login"].text == "needs: broker address"
    assert found["broker alarms"].level is Severity.SKIPPED


def test_address__nothing_listens(examine):
    port = free_port()
    failed = failure(examine(host=f"amqp://127.0.0.1:{port}/"))
    assert failed.text == f"Nothing listens on 127.0.0.1:{port}."
    assert "15672 is its management page" in failed.hints[0]


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Listen on a port, and answer whatever comes with these bytes, or with nothing at all."""
    end = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            if answer is None:
                end.wait(30)
            else:
                self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made.server_address[1]
        finally:
            end.set()
            made.shutdown()
            thread.join()


def test_address__no_amqp(examine):
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "does not speak AMQP" in failure(examine(host=f"amqp://127.0.0.1:{port}/")).text


def test_address__no_answer(examine):
    with server(None) as port:
        failed = failure(examine(host=f"amqp://127.0.0.1:{port}/", timeout=0.3))
    assert failed.text == f"127.0.0.1:{port} does not answer within 0.3 s."
    assert "amqps://" in failed.hints[0]


def test_address__each_of_several(examine, shared_vhost):
    port = free_port()
    found = examine(hosts=[shared_vhost.url, f"amqp://127.0.0.1:{port}/{shared_vhost.name}"])
    assert found[f"broker permissions {HOST}:{PORT}"].level is Severity.OK
    assert failure(found).step == f"broker address 127.0.0.1:{port}"


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost, with its key in the same file, that only itself vouches for."""
    folder = tmp_path_factory.mktemp("certificate")
    made = folder / "site.pem"
    names = "subjectAltName=DNS:localhost"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", names]
    subprocess.run([*command, "-keyout", made, "-out", folder / "cert.pem"], check=True, capture_output=True)
    made.write_text(made.read_text() + (folder / "cert.pem").read_text())
    return made


@pytest.fixture
def tls_port(certificate) -> Iterator[int]:
    """A port that ends TLS in front of the machine's RabbitMQ."""
    require("rabbitmq")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as inner,
                socket.create_connection((HOST, PORT)) as outer,
            ):
                back = threading.Thread(target=pump, args=(outer, inner))
                back.start()
                pump(inner, outer)
                back.join()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made.server_address[1]
        made.shutdown()
        thread.join()


def test_tls__certificate_of_an_authority_of_our_own(examine, shared_vhost, tls_port, certificate):
    context = ssl.create_default_context(cafile=certificate)
    found = examine(host=f"amqps://localhost:{tls_port}/{shared_vhost.name}", ssl_context=context)
    assert {one.level for one in found.values()} == {Severity.OK}
    assert found["broker TLS"].text == "the certificate is trusted"


async def test_tls__the_layer_sends_and_receives(shared_vhost: Vhost, tls_port: int, certificate: Path) -> None:
    """What it reads and writes by itself goes through TLS, too."""
    context = ssl.create_default_context(cafile=certificate)
    ours = RabbitmqChannelLayer(host=f"amqps://localhost:{tls_port}/{shared_vhost.name}", ssl_context=context)
    channel = await ours.new_channel()
    await ours.group_add("people", channel)
    messages = [{"type": "t", "n": number, "text": "x" * 2000} for number in range(100)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(ours.group_send("people", message) for message in messages))
        assert [await ours.receive(channel) for _ in messages] == messages
    await ours.close()


def test_tls__certificate_is_not_trusted(examine, shared_vhost, tls_port):
    found = examine(host=f"amqps://localhost:{tls_port}/{shared_vhost.name}")
    assert failure(found).step == "broker TLS"
    assert "not trusted" in failure(found).text
    assert "ssl_context" in failure(found).hints[0]
    assert found["broker version"].level is Severity.SKIPPED


def test_tls__other_host_than_in_the_certificate(examine, shared_vhost, tls_port, certificate):
    context = ssl.create_default_context(cafile=certificate)
    failed = failure(examine(host=f"amqps://127.0.0.1:{tls_port}/{shared_vhost.name}", ssl_context=context))
    assert "The host in the URL has to be a name in the certificate" in failed.hints[0]


def test_tls__port_without(examine, shared_vhost):
    failed = failure(examine(host=f"amqps://{HOST}:{PORT}/{shared_vhost.name}"))
    assert failed.text.startswith(f"No TLS on {HOST}:{PORT}")
    assert "amqp://" in failed.hints[0]


def test_tls__url_without(examine, shared_vhost, tls_port):
    failed = failure(examine(host=f"amqp://127.0.0.1:{tls_port}/{shared_vhost.name}", timeout=3))
    assert failed.step == "broker address"
    assert "amqps://" in " ".join(failed.hints)


# -- Login and rights


def test_login__wrong_password(examine, shared_vhost, user):
    found = examine(host=f"amqp://{HOST}:{PORT}/{shared_vhost.name}", username=user, password="not the secret")
    assert failure(found).step == "broker login"
    assert f"rabbitmqctl change_password {user} <password>" in failure(found).hints
    assert found["broker version"].level is Severity.OK, "which the broker tells before"


def test_login__unknown_user(examine, shared_vhost):
    failed = failure(examine(host=f"amqp://o'hara:secret@{HOST}:{PORT}/{shared_vhost.name}"))
    assert failed.step == "broker login"
    assert """rabbitmqctl add_user 'o'"'"'hara' <password>""" in failed.hints


def test_login__guest_with_a_wrong_password(examine, shared_vhost):
    failed = failure(examine(host=f"amqp://guest:secret@{HOST}:{PORT}/{shared_vhost.name}"))
    assert failed.hints == ("Create a user for this site.", "rabbitmqctl add_user asgi <password>")


def test_vhost__does_not_exist(examine, user):
    failed = failure(examine(host=f"amqp://{user}:secret@{HOST}:{PORT}/no%20such"))
    assert failed.step == "broker vhost"
    assert failed.hints == (
        "rabbitmqctl add_vhost 'no such'",
        f"rabbitmqctl set_permissions -p 'no such' {user} '.*' '.*' '.*'",
    )


def test_vhost__user_has_no_rights(examine, vhost, user):
    config = {"host": f"amqp://{user}:secret@{HOST}:{PORT}/{vhost.name}"}
    failed = failure(examine(**config))
    assert failed.step == "broker vhost"
    assert failed.hints == (f"rabbitmqctl set_permissions -p {vhost.name} {user} '.*' '.*' '.*'",)
    # What is printed mends it.
    rabbitmqctl(*failed.hints[0].replace("'", "").split()[1:])
    assert {one.level for one in examine(**config).values()} == {Severity.OK}


LEAST = {
    "configure": r"^(groups|channels_.*|channel\..*)$",
    "write": r"^(groups|amq\.default|channels_.*|channel\..*)$",
    "read": r"^(groups|channels_.*|channel\..*)$",
}
"""The least rights, as docs/guide.md has them."""


def allow(vhost: Any, user: str, **rights: str) -> None:
    given = {**LEAST, **rights}
    rabbitmqctl("set_permissions", "-p", vhost.name, user, given["configure"], given["write"], given["read"])


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ({"configure": "^channels_.*$"}, "declare the exchange of the groups"),
        ({"configure": "^groups$"}, "declare a queue"),
        ({"write": "^groups$"}, "bind a queue"),
        ({"read": "^channels_.*$"}, "bind a queue"),
        ({"read": "^groups$"}, "consume from a queue"),
        ({"write": "^channels_.*$"}, "publish to the groups"),
        ({"write": "^(groups|channels_.*)$"}, "publish to a queue"),
    ],
)
def test_permissions__one_is_missing(examine, shared_vhost, user, rights, words):
    allow(shared_vhost, user, **rights)
    failed = failure(examine(host=f"amqp://{user}:secret@{HOST}:{PORT}/{shared_vhost.name}"))
    assert failed.step == "broker permissions"
    assert failed.text.startswith(f"User {user!r} may not {words}: ACCESS_REFUSED")
    assert failed.hints == (f"rabbitmqctl set_permissions -p {shared_vhost.name} {user} '.*' '.*' '.*'",)


def test_permissions__the_least_are_enough_for_the_layer(examine, shared_vhost, user):
    allow(shared_vhost, user)
    config = {"host": f"amqp://{user}:secret@{HOST}:{PORT}/{shared_vhost.name}"}
    assert {one.level for one in examine(**config, steps=[*broker.steps(), ROUND_TRIP]).values()} == {Severity.OK}


def test_permissions__exchange_is_another_one(examine, vhost):
    with node_client(vhost) as other:
        other.call(commands.Exchange.Declare(0, "groups", "direct", durable=True))
    failed = failure(examine(host=vhost.url))
    assert failed.step == "broker permissions"
    assert "groups_exchange" in " ".join(failed.hints)
    assert {one.level for one in examine(host=vhost.url, groups_exchange="ours").values()} == {Severity.OK}


@contextmanager
def node_client(vhost: Any) -> Iterator[Any]:
    from catmaid_notify.doctor.amqp import Amqp

    with Amqp(HOST, PORT, timeout=10) as client:
        client.begin()
        client.log_in("guest", "guest")
        client.open(vhost.name)
        client.channel()
        yield client


# -- Version and alarms


@pytest.mark.parametrize(
    ("product", "version", "level"),
    [
        ("RabbitMQ", "3.7.28", Severity.FAILED),
        ("RabbitMQ", "3.8.0", Severity.OK),
        ("RabbitMQ", "4.3.6", Severity.OK),
        ("Qpid", "9.1", Severity.WARNING),
        ("RabbitMQ", "newest", Severity.WARNING),
    ],
)
def test_version__as_the_broker_says_it(examine, product, version, level):
    start = commands.Connection.Start(server_properties={"product": product, "version": version})
    with server(frame.marshal(start, 0)) as port:
        found = examine(host=f"amqp://127.0.0.1:{port}/")
    assert found["broker version"].level is level
    assert version in found["broker version"].text


@pytest.mark.timeout(240)
def test_alarms__disk_and_memory(examine, tmp_path):
    if nodes.missing():
        pytest.skip(nodes.missing())
    with nodes.broker(tmp_path) as node:
        assert examine(host=node.url)["broker alarms"].level is Severity.OK
        for broken, mended, words in (
            (("set_disk_free_limit", "mem_relative", "1000"), ("set_disk_free_limit", "1MB"), "low on disk"),
            (("set_vm_memory_high_watermark", "0"), ("set_vm_memory_high_watermark", "0.6"), "low on memory"),
        ):
            node.ctl(*broken)
            failed = failure(examine(host=node.url, timeout=5))
            assert failed.step == "broker alarms"
            assert words in failed.text
            node.ctl(*mended)
            assert examine(host=node.url)["broker alarms"].level is Severity.OK


# -- The layer


def test_layer__message_comes_back(examine, shared_vhost):
    found = examine(host=shared_vhost.url, steps=[ROUND_TRIP])["channel layer"]
    assert found.level is Severity.OK
    assert found.text.startswith("a message came through in ")


@pytest.mark.classic
@pytest.mark.channels_rabbitmq
@pytest.mark.filterwarnings("ignore:valid_(group|channel)_name is deprecated:DeprecationWarning")  # theirs
def test_layer__of_channels_rabbitmq(settings, vhost):
    backend = "channels_rabbitmq.core.RabbitmqChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"host": vhost.url}}}
    visit = Visit()
    with visit.closing:
        found = list(walk(visit, [*broker.steps(), ROUND_TRIP]))
    assert [one for one in found if one.level is not Severity.OK] == []
    assert len(found) == 7


def test_layer__broker_is_away(examine):
    port = free_port()
    config = {"host": f"amqp://site:secret@127.0.0.1:{port}/", "connect_timeout": 1}
    failed = failure(examine(**config, steps=[ROUND_TRIP]))
    assert "No connection to the broker within 1 s" in failed.text


def test_layer__redis_is_away(settings):
    address = ("127.0.0.1", free_port())
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [address]}}
    }
    assert broker.steps() == []
    [failed] = layer.round_trip(Visit(timeout=5))
    assert failed.level is Severity.FAILED
    assert "redis-cli ping" in failed.hints


def test_layer__in_memory_or_none(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    assert [one.level for one in layer.round_trip(Visit())] == [Severity.WARNING]
    settings.CHANNEL_LAYERS = {}
    assert [one.level for one in layer.round_trip(Visit())] == [Severity.SKIPPED]
    assert broker.steps() == []

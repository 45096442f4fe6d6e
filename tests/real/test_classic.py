"""The set-up of the classic CATMAID guide, with either channel layer; the environment is requirements-async.txt's."""

from __future__ import annotations

import importlib.metadata

import pytest

pytestmark = pytest.mark.real


def major(package: str) -> int:
    return int(importlib.metadata.version(package).partition(".")[0])


@pytest.mark.classic
def test_environment__holds_what_it_promises():
    try:
        importlib.metadata.version("channels-rabbitmq")
    except importlib.metadata.PackageNotFoundError:
        assert (major("aio-pika"), major("pamqp")) == (10, 4)
    else:
        assert (major("aio-pika"), major("pamqp")) == (9, 3)


@pytest.mark.classic
@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
@pytest.mark.parametrize(
    "layer", ["catmaid_notify", pytest.param("channels_rabbitmq", marks=pytest.mark.channels_rabbitmq)]
)
def test_layer__carries_messages_from_commands_and_workers(make_site, layer, database):
    with make_site(layer=layer, database=database) as site:
        site.daphne()
        worker = site.worker()
        ann, bob = site.user("ann"), site.user("bob")
        with site.socket(ann) as socket, site.socket(bob) as other, site.socket(ann, v1=False) as plain:
            socket.wait_for("hello")
            other.wait_for("hello")
            site.run("api.notify_user(user, 'From a command')", user=ann)
            assert socket.wait_for("new-message")["payload"]["message_title"] == "From a command"
            assert plain.receive()["payload"]["message_title"] == "From a command"
            site.run("from tests.tasks import count; count.delay_for(user, 3)", user=ann)
            assert socket.wait_for("new-message", timeout=20)["payload"]["message_title"] == "Count is finished"
            site.run("api.notify_user(user, 'For Bob')", user=bob)
            assert other.wait_for("new-message")["payload"]["message_title"] == "For Bob"
            assert [frame["event"] for frame in other.frames] == ["hello", "new-message"]
        assert worker.stop() == 0

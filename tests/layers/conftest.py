"""Brokers for tests of channel layers: the machine's, and a node that tests may stop, block and kill.

`make test-brokers` has all tests use other versions of RabbitMQ; see `tests.support.broker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import broker as brokers
from tests.support import rabbitmq
from tests.support.environment import require
from tests.support.rabbitmq import Vhost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import Broker


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A RabbitMQ node of the tests' own. A test that stops it starts it again."""
    if reason := brokers.missing():
        pytest.skip(reason)
    with brokers.broker(tmp_path_factory.mktemp("rabbitmq")) as made:
        yield made


@pytest.fixture
def vhost(request: pytest.FixtureRequest) -> Iterator[Vhost]:
    """A new vhost on the machine's broker, or on that of ``make test-brokers``."""
    if brokers.chosen():
        node: Broker = request.getfixturevalue("node")
        name = node.vhost()
        yield Vhost(name=name, url=f"{node.url}{name}")
        return
    require("rabbitmq")
    with rabbitmq.vhost() as made:
        yield made

from __future__ import annotations

import pytest

from catmaid_notify import exceptions
from catmaid_notify.exceptions import NotifyError

LEAVES = [
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, NotifyError) and kind is not NotifyError
]


@pytest.mark.parametrize("kind", LEAVES)
def test_errors__docstring_is_the_default_text(kind: type[NotifyError]) -> None:
    assert str(kind()) == " ".join(str(kind.__doc__).split())


@pytest.mark.parametrize("kind", LEAVES)
def test_errors__own_text_wins(kind: type[NotifyError]) -> None:
    assert str(kind("the reason")) == "the reason"


def test_errors__of_arguments_are_value_errors() -> None:
    assert issubclass(exceptions.InvalidMessage, ValueError)
    assert issubclass(exceptions.InvalidEvent, ValueError)
    assert issubclass(exceptions.UnknownUser, ValueError)


def test_errors__of_the_broker_are_connection_errors() -> None:
    assert issubclass(exceptions.BrokerUnavailable, ConnectionError)

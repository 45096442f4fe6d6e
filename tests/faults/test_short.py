"""Every fault has a short form that `make test` runs, but those that need more than that."""

from __future__ import annotations

from faults.matrix import FAULTS
from tests.faults import test_broker_faults, test_client_faults, test_network_faults, test_server_faults

FULL_ONLY = {"F15", "F33"}
"""A cluster, and a soak."""
FILES = (test_broker_faults, test_client_faults, test_network_faults, test_server_faults)


def test_every_fault_is_in_one_file() -> None:
    names = [name for file in FILES for mark in [file.test_fault.pytestmark] for name in mark[0].args[1]]
    assert sorted(names) == sorted(FAULTS.keys() - FULL_ONLY)

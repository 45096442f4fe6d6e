"""Complete list of faults: importing this module imports all modules with faults."""

from __future__ import annotations

from faults import (
    account_faults,
    broker_faults,
    client_faults,
    cluster_faults,
    data_faults,
    network_faults,
    server_faults,
    soak,
)
from faults.faults import FAULTS

__all__ = [
    "FAULTS",
    "account_faults",
    "broker_faults",
    "client_faults",
    "cluster_faults",
    "data_faults",
    "network_faults",
    "server_faults",
    "soak",
]

"""All faults: importing the modules that hold them fills the list."""

from __future__ import annotations

from tests.faults import broker_faults, client_faults, data_faults, network_faults, server_faults
from tests.faults.faults import FAULTS

__all__ = ["FAULTS", "broker_faults", "client_faults", "data_faults", "network_faults", "server_faults"]

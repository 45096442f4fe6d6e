"""What the short form of the faults runs on: all servers, started once for each file of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from faults.world import SMALL, Plan, World
from tests.support import broker
from tests.support.environment import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SEED = 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """All servers, with short waiting times on both sides; its faults come in any order."""
    require("postgresql", "chromium", "nginx")
    if reason := broker.missing():
        pytest.skip(reason)
    async with World.started(tmp_path_factory.mktemp("world"), Plan(seed=SEED, size=SMALL, short=True)) as made:
        yield made

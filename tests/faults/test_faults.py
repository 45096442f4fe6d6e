"""A short form of the faults, on servers of their own with short waiting times; `make faults` runs the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.faults import report
from tests.faults.matrix import FAULTS
from tests.faults.runner import run
from tests.faults.world import SMALL, Plan, World
from tests.support import broker
from tests.support.environment import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

SEED = 1
SHORT = ["F01", "F02", "F03", "F08", "F09", "F12", "F16", "F18", "F19", "F21"]
"""Those that need no more than some seconds each."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """All servers, for all tests here."""
    require("postgresql", "chromium", "nginx")
    if reason := broker.missing():
        pytest.skip(reason)
    async with World.started(tmp_path_factory.mktemp("world"), Plan(seed=SEED, size=SMALL, short=True)) as made:
        yield made


@pytest.mark.parametrize("name", SHORT)
async def test_fault(world: World, name: str) -> None:
    outcome = await run(world, FAULTS[name])
    assert outcome.is_good, f"{report.markdown([report.cells(outcome)])}\n{report.details(outcome)}"
    assert outcome.verdict.acked > 0

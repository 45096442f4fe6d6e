"""The short form of a fault as a test; `make faults` runs the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faults import report
from faults.matrix import FAULTS
from faults.runner import run

if TYPE_CHECKING:
    from faults.world import World

MARKS = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]


async def hold(world: World, name: str) -> None:
    """Let one fault happen, and fail unless everything was held."""
    outcome = await run(world, FAULTS[name])
    print(report.markdown([report.cells(outcome)]), report.details(outcome), sep="\n")  # a failing test shows it
    assert outcome.is_good
    assert outcome.verdict.acked > 0

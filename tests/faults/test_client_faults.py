"""The short form of the faults of those who look: pages that sleep, people who leave, clients that don't read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.short import MARKS, hold

if TYPE_CHECKING:
    from faults.world import World

pytestmark = MARKS


@pytest.mark.parametrize("name", ["F22", "F26", "F28", "F29", "F31"])
async def test_fault(world: World, name: str) -> None:
    await hold(world, name)

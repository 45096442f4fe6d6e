"""The short form of the faults between browser and server, and between server and broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.short import MARKS, hold

if TYPE_CHECKING:
    from faults.world import World

pytestmark = MARKS


@pytest.mark.parametrize("name", ["F03", "F04", "F05", "F06", "F07", "F14"])
async def test_fault(world: World, name: str) -> None:
    await hold(world, name)

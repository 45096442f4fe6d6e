"""The short form of the faults of Daphne, of the database, of those who create messages, and of pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.short import MARKS, hold

if TYPE_CHECKING:
    from faults.world import World

pytestmark = MARKS


@pytest.mark.parametrize("name", ["F01", "F02", "F16", "F18", "F19", "F21", "F23", "F24", "F25"])
async def test_fault(world: World, name: str) -> None:
    await hold(world, name)

"""The short form of the faults of RabbitMQ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.short import MARKS, hold

if TYPE_CHECKING:
    from faults.world import World

pytestmark = MARKS


@pytest.mark.parametrize("name", ["F08", "F09", "F10", "F11", "F12", "F13"])
async def test_fault(world: World, name: str) -> None:
    await hold(world, name)

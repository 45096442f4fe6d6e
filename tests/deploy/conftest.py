"""What the set-ups need of the machine."""

from __future__ import annotations

import pytest

from tests.support.environment import require


@pytest.fixture
def needs_nginx() -> None:
    require("nginx")

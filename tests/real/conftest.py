"""What tests with real servers and browsers share."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.environment import require
from tests.support.inbox import served
from tests.support.site import Site, User


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the bundled inbox; files that need more of it have one of their own."""
    require("chromium")
    with served(tmp_path_factory) as site:
        yield site


@pytest.fixture
def ann(lab: Site, request: pytest.FixtureRequest) -> User:
    """Somebody with an empty inbox."""
    return lab.user(re.sub(r"\W", "", request.node.name)[-100:])

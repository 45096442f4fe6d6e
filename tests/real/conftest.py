"""What tests with real servers and browsers share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.environment import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.site import Site, User


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the bundled inbox; files that need more of it have one of their own."""
    require("chromium")
    from tests.support.inbox import served  # the classic environment, where this file is read too, has no Playwright

    with served(tmp_path_factory) as site:
        yield site


@pytest.fixture
def ann(lab: Site, request: pytest.FixtureRequest) -> User:
    """Somebody with an empty inbox."""
    return lab.user(re.sub(r"\W", "", request.node.name)[-100:])

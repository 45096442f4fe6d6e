"""What tests with real servers and browsers share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.conftest import site_maker
from tests.support.environment import require
from tests.support.site import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.site import Site, User


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the bundled inbox, shared by many files; those that need more of it have one of their own."""
    require("chromium")
    from tests.support.inbox import served  # the classic environment, where this file is read too, has no Playwright

    with served(tmp_path_factory) as site:
        yield site


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on two servers behind a proxy, whose pages poll every `POLL_SECONDS` while they can't have a socket."""
    require("chromium")
    with site_maker(tmp_path_factory)(settings={"CATMAID_NOTIFY_POLL_SECONDS": POLL_SECONDS}) as site:
        site.serve()
        yield site


@pytest.fixture
def person(served: Site, request: pytest.FixtureRequest) -> User:
    """Somebody of that site with an empty inbox."""
    return served.user(_name(request))


@pytest.fixture
def ann(lab: Site, request: pytest.FixtureRequest) -> User:
    """Somebody with an empty inbox."""
    return lab.user(_name(request))


def _name(request: pytest.FixtureRequest) -> str:
    """Return a user name that no other test has."""
    return re.sub(r"\W", "", request.node.nodeid)[-100:]

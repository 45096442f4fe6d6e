"""Fixtures of all tests; what they start is in tests/support, one module a part.

Tests that need servers or a browser are marked ``real``. Where this machine lacks one of them they are skipped, and
counted at the end; with CI=true each such skip is a failure.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tests.support import postgresql, process, rabbitmq
from tests.support.environment import IN_CI, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.browser import Chromium
    from tests.support.rabbitmq import Vhost
    from tests.support.site import Site

pytest_plugins = ["tests.support.fixtures", "tests.support.reporting"]
CLASSIC = re.compile(r"\bclassic\b")
FIRST = (
    "tests/faults/",
    "tests/layers/test_broker_trouble.py",
    "tests/deploy/test_nginx.py",
    "tests/deploy/test_supervisor.py",
    "tests/real/test_client_",
    "tests/real/test_user_task.py",
    "tests/real/test_notify_check.py",
    "tests/demo/test_running.py",
)
"""Files that take a minute and more, and mostly wait: run first, so that none of them is still running at the end."""
failed_item = pytest.StashKey[bool]()


# -- Real parts


@pytest.fixture
def vhost() -> Iterator[Vhost]:
    """A RabbitMQ vhost of the test's own."""
    require("rabbitmq")
    with rabbitmq.vhost() as made:
        yield made


@pytest.fixture
def postgresql_database() -> Iterator[str]:
    """The name of an empty PostgreSQL database of the test's own."""
    require("postgresql")
    with postgresql.database() as name:
        yield name


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., process.Process]]:
    """Start a command: ``start(name, *command, env={})``; it is ended after the test."""

    def run(name: str, *command: str | Path, env: dict[str, str] | None = None) -> process.Process:
        return process.Process(name, command, folder=tmp_path, env=env or {})

    with process.all_stopped():
        yield run


@pytest.fixture
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Site]]:
    """Make a site: ``with make_site(settings={…}, project="demo", …) as site``, arguments as in `Site.of`."""
    return site_maker(tmp_path_factory)


@pytest.fixture
def site(make_site: Callable[..., AbstractContextManager[Site]]) -> Iterator[Site]:
    """A site of the tests' own project on RabbitMQ and PostgreSQL, migrated, with no process running yet."""
    with make_site() as made:
        yield made


def site_maker(folders: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Site]]:
    """Return what `make_site` is; for fixtures of a wider scope, which give it their ``tmp_path_factory``."""
    from tests.support.site import Site  # it needs packages that not every environment has

    def make(**options: Any) -> AbstractContextManager[Site]:
        if options.get("broker", True):
            require("rabbitmq")
        if options.get("database", "postgresql") == "postgresql":
            require("postgresql")
        return Site.of(folders.mktemp("site"), **options)

    return make


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Headless Chromium for the tests of one file: starting it costs more than most of them take.

    Not for longer: Playwright's loop runs in the thread of the tests as long as the browser does, so a file that has
    such a test can have no async ones, and none that uses Django's ORM itself (`Site.run` does it in another process).
    """
    require("chromium")
    from tests.support.browser import launched

    with launched() as started:
        yield started


@pytest.fixture
def browser(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Chromium]:
    """Pages in headless Chromium: ``page = browser.page(site, user)``. The test fails if a script of a page threw."""
    from tests.support.browser import Chromium

    with Chromium(chromium) as started:
        yield started
        failed = request.node.stash.get(failed_item, False) or bool(started.errors)
        if failed:
            seen = [*started.screenshots(request.node.name), *started.errors, *started.console]
            request.node.add_report_section("teardown", "pages", "\n".join(seen))
        assert not started.errors, "A script of a page threw: " + "; ".join(started.errors)


# -- The run


@pytest.fixture(scope="session", autouse=os.environ.get("TEST_DATABASE") == "postgresql")
def nobody_else_is_connected(django_db_setup: None) -> Iterator[None]:
    """End what is still connected to the test database at the end: it could not be dropped.

    Threads in which async tests used it keep their connection until they are collected, at any time after.
    """
    yield
    name = connection.settings_dict["NAME"]
    ended = (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )
    postgresql.execute(ended)


def pytest_configure() -> None:
    """Have SIGTERM end the run as Ctrl-C does, so that what fixtures have started is ended with it."""
    process.sigterm_is_ctrl_c()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With -m classic, leave alone what has no such test: it may import what that environment lacks."""
    if config.option.markexpr != "classic":
        return None
    modules = collection_path.rglob("test_*.py") if collection_path.is_dir() else [collection_path]
    # What isn't ignored here is left to pytest's other reasons for ignoring it.
    return None if any(CLASSIC.search(module.read_text()) for module in modules) else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to other runs, so that it isn't a skip in this one."""
    wanted = [item for item in items if _belongs_here(item)]
    if len(wanted) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if not _belongs_here(item)])
    # Files are handed out in this order, and the order among tests stays as it is (at random).
    items[:] = sorted(wanted, key=lambda item: not item.nodeid.startswith(FIRST))


def _belongs_here(item: pytest.Item) -> bool:
    if item.get_closest_marker("channels_rabbitmq") and not find_spec("channels_rabbitmq"):
        return False
    # On PostgreSQL only what it makes a difference for, since the rest has been run on SQLite.
    return os.environ.get("TEST_DATABASE") != "postgresql" or _uses_database(item)


def _uses_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return bool(item.get_closest_marker("django_db")) or not {"db", "transactional_db"}.isdisjoint(fixtures)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report: pytest.TestReport = yield
    if report.failed:
        item.stash[failed_item] = True
        for running in process.running:
            report.sections.append((f"{running!r} said last", running.tail()))
    if report.skipped and IN_CI and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: with CI=true a skip is a failure: {_why_skipped(report)}"
    # Reports travel between the processes of pytest-xdist as UTF-8, which has no lone surrogates; odd texts do.
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


def _why_skipped(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many tests this machine could not run, and why; and in which order those ran that have failed."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.line(f"Order of the tests: --randomly-seed={config.getoption('randomly_seed', 'none')}")
    reasons = Counter(_why_skipped(report) for report in terminalreporter.stats.get("skipped", []))
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count} skipped: {reason}", yellow=True)

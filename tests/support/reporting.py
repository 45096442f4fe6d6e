"""What a part of the test run tells `scripts/run_tests.py`: counts and seconds by file, in a file of JSON.

Where ``TEST_REPORT`` names a file, it is written anew every second while the tests run, so that progress can be shown,
and once more at the end.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

WRITE_SECONDS = 1.0


class Report:
    """Gathers the outcome and the time of each test, in the process that prints them (pytest-xdist has others)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin = time.monotonic()
        self._written = 0.0
        self.total = 0
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._skipped: set[str] = set()
        self._files: dict[str, dict[str, float]] = defaultdict(lambda: {"setup": 0, "call": 0, "teardown": 0})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid
        seconds = self._files[name.partition("::")[0]]
        seconds[report.when] = seconds.get(report.when, 0) + report.duration
        if report.failed:
            self._failed.add(name)
        elif report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.add(name)
        if report.when == "teardown":
            self._done.add(name)
            if time.monotonic() > self._written + WRITE_SECONDS:
                self.write()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.total = self.total or len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: WorkerController, ids: list[str]) -> None:
        self.total = len(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.write()

    def write(self) -> None:
        """Replace the file, in one step, by what is known now."""
        self._written = time.monotonic()
        known = {
            "total": self.total,
            "done": len(self._done),
            "passed": len(self._done - self._failed - self._skipped),
            "failed": len(self._failed),
            "skipped": len(self._skipped - self._failed),
            "seconds": round(time.monotonic() - self._begin, 2),
            "files": {name: {when: round(value, 2) for when, value in of.items()} for name, of in self._files.items()},
        }
        beside = self._path.with_suffix(".part")
        beside.write_text(json.dumps(known))
        beside.replace(self._path)


def pytest_configure(config: pytest.Config) -> None:
    """Gather the report, where one is wanted, unless this is one of the processes of pytest-xdist."""
    path = os.environ.get("TEST_REPORT")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(Path(path)), "catmaid_notify_report")

"""What a run says on a machine that lacks a server: skipped and counted, and in CI a failure."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.process import PYTHON, ROOT, environment

TEST = "tests/real/test_site.py::test_site__message_from_another_process_reaches_a_socket"


def run_without_postgresql(*, ci: bool) -> subprocess.CompletedProcess[str]:
    variables = {"PGPORT": "1", "CI": "true" if ci else ""}  # nothing listens on port 1
    command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST]
    return subprocess.run(
        command, cwd=ROOT, env={**environment(), **variables}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.timeout(90)
def test_missing_server__skipped_and_counted():
    done = run_without_postgresql(ci=False)
    assert done.returncode == 0, done.stdout
    assert "1 skipped: no" in done.stdout
    assert "1 skipped in" in done.stdout


@pytest.mark.timeout(90)
def test_missing_server__failure_in_ci():
    done = run_without_postgresql(ci=True)
    assert done.returncode == 1, done.stdout
    assert "with CI=true a skip is a failure: no" in done.stdout
    # The set-up of a fixture is where it lacks, so pytest counts an error.
    assert "1 error in" in done.stdout or "1 failed in" in done.stdout

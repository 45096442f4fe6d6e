"""The program behind `make test`: what it reports of parts that pass, fail, take too long, or are cut short."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.process import PYTHON, ROOT, environment
from tests.support.waiting import eventually

MAKEFILE = f"""\
PYTEST := {PYTHON} -m pytest -q -p no:cacheprovider -p no:randomly --rootdir=. -c /dev/null -p tests.support.reporting
.PHONY: good bad broken node later waits
good:
	$(PYTEST) test_good.py
bad:
	$(PYTEST) --numprocesses=2 test_bad.py
broken:
	@echo "the part could not begin"; false
node:
	@printf '\u2139 tests 5\\n\u2139 pass 3\\n\u2139 fail 0\\n\u2139 skipped 2\\n'
later:
	@echo "came later"
waits:
	$(PYTEST) -s test_waits.py
"""
GOOD = """
import pytest
def test_one(): pass
@pytest.mark.skip
def test_two(): pass
@pytest.mark.xfail
def test_three(): 1 / 0
"""
BAD = "def test_one(): pass\ndef test_two(): raise ValueError('the reason')\ndef test_three(): pass\n"
WAITS = """
import pathlib, time, pytest
@pytest.fixture
def server():
    yield
    pathlib.Path("ended").touch()
def test_waits(server):
    pathlib.Path("begun").touch()
    time.sleep(60)
"""
CODE = """
import sys
from pathlib import Path
from scripts.run_tests import Part, run
parts = [[Part(name=name, budget=int(budget)) for name, budget in lane] for lane in {lanes}]
sys.exit(run(tuple(map(tuple, parts[:-1])), tuple(parts[-1]), Path.cwd()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "test_good.py").write_text(GOOD)
    (tmp_path / "test_bad.py").write_text(BAD)
    (tmp_path / "test_waits.py").write_text(WAITS)
    (tmp_path / "conftest.py").write_text("from tests.support.process import sigterm_is_ctrl_c as pytest_configure\n")
    return tmp_path


def started(folder: Path, *lanes: list[tuple[str, int]]) -> subprocess.Popen[str]:
    """Run lanes of parts and their budgets; the last lane comes after the others."""
    return subprocess.Popen(
        [PYTHON, "-c", CODE.format(lanes=list(lanes))],
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def rows(output: str) -> dict[str, tuple[int, int, int]]:
    """Return passed, failed and skipped of each part in the table."""
    found = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +\d+$", output, re.MULTILINE)
    return {name: (int(passed), int(failed), int(skipped)) for name, passed, failed, skipped in found}


def test_run__a_part_that_fails_keeps_no_other_from_reporting(folder: Path) -> None:
    with started(folder, [("broken", 0), ("good", -1)], [("bad", 0), ("node", 0)], [("later", 600)]) as process:
        output, _ = process.communicate()
    assert process.returncode == 1
    assert rows(output) == {
        "broken": (0, 1, 0),
        "good": (2, 0, 1),
        "bad": (2, 1, 0),
        "node": (3, 0, 2),
        "later": (1, 0, 0),
    }
    assert output.endswith("8 passed, 2 failed, 3 skipped\n")
    assert "the part could not begin" in output
    assert "ValueError: the reason" in output
    assert "came later" not in output  # it is in its file, since it has passed
    assert "came later" in (folder / "test-results" / "later.log").read_text()
    assert "test_bad.py  [bad]" in output
    assert re.findall(r"^Over its budget: (\w+) took \d+ s of -1\.$", output, re.MULTILINE) == ["good"]


def test_run__cut_short_ends_what_fixtures_have_started(folder: Path) -> None:
    with started(folder, [("waits", 0), ("later", 0)], []) as process:
        eventually((folder / "begun").exists, timeout=30)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert process.returncode == 1
    assert (folder / "ended").exists()
    assert "later" not in rows(output)

"""Files about the project: what they tell people and machines to run is there."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml

from tests.support.process import ROOT, environment

CI = ".github/workflows/ci.yml"
HOOKS = ".pre-commit-config.yaml"
SYSTEM_COMMANDS = {"apt-get"}
"""What a machine has before the project has installed anything."""


def parsed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


def commands(line: str) -> list[list[str]]:
    """Return the words of each command of a line."""
    return [shlex.split(command) for command in re.split(r"&&|;", line)]


def ci_lines() -> list[str]:
    steps = [step for job in parsed(CI)["jobs"].values() for step in job["steps"]]
    return [step["run"] for step in steps if "run" in step]


def hook_lines() -> list[str]:
    hooks = [hook["entry"] for repository in parsed(HOOKS)["repos"] for hook in repository["hooks"]]
    return [re.sub(r"^sh -c '(.*)'$", r"\1", entry) for entry in hooks]


def documented() -> list[str]:
    """Return the targets of make that pages for people who work on the project name."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", "docs/index.md")]
    return sorted({found for text in texts for found in re.findall(r"(?:`|\$ )make ([a-z-]+)", text)})


def test_ci__runs_the_gate() -> None:
    assert ".ci/run" in ci_lines()


@pytest.mark.parametrize("line", [*ci_lines(), *hook_lines()])
def test_lines__name_only_what_there_is(line: str) -> None:
    for command in commands(line):
        if command[0] == "make":
            assert_is_target(command[1])
        elif command[0] not in SYSTEM_COMMANDS:
            program = ROOT / command[0]
            # The tools of .venv are those of the development environment, wherever this test runs.
            assert program.parts[-3:-1] == (".venv", "bin") or program.stat().st_mode & 0o111, command
        for word in command[1:]:
            if re.fullmatch(r"[\w./-]+\.(py|sh|txt)", word):
                assert (ROOT / word).exists(), word


@pytest.mark.parametrize("name", documented())
def test_documented_targets__are_there(name: str) -> None:
    assert_is_target(name)


def assert_is_target(name: str) -> None:
    done = subprocess.run(
        ["make", "--question", "--dry-run", name],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No rule to make target" not in done.stderr, done.stderr

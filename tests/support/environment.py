"""Detection of missing parts of this machine. Tests that need them are skipped, or fail in CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support import postgresql, rabbitmq
from tests.support.ports import listens

IN_CI = os.environ.get("CI") == "true"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
"""axe-core from npm, which finds accessibility problems in pages."""
REDIS = "redis://127.0.0.1:6379/0"
"""Redis database that parallel test runs share; each uses keys of its own."""
PROGRAMS = {"nginx": "/usr/sbin/nginx", "apache": "/usr/sbin/apache2"}
"""Paths of proxies, which are not in every user's PATH."""


def missing(part: str) -> str:
    """Return the reason why tests can't use a part; an empty string if they can.

    Raises:
        ValueError: there is no such part.
    """
    match part:
        case "rabbitmq":
            return rabbitmq.missing()
        case "postgresql":
            return postgresql.missing()
        case "redis":
            return "" if listens(6379) else "no Redis on 127.0.0.1:6379"
        case "nginx" | "apache":
            program = PROGRAMS[part]
            return "" if shutil.which(program) else f"no {program}"
        case "axe":
            return "" if AXE.is_file() else "no axe-core (`make js` installs it)"
        case "chromium":
            if not shutil.which(CHROMIUM):
                return f"no Chromium at {CHROMIUM} (CHROMIUM=<path> names another one)"
            from tests.support import node  # needs Playwright, which not every environment has

            reason = node.trouble(str(node.BUNDLED))
            return f"Playwright's driver doesn't start: {reason}" if reason else ""
    raise ValueError(
        f"Unknown part {part!r}, must be one of: rabbitmq, postgresql, redis, chromium, axe, nginx, apache"
    )


def require(*parts: str) -> None:
    """Skip the running test, with a reason, if this machine lacks one of the parts."""
    for part in parts:
        if reason := missing(part):
            pytest.skip(reason)

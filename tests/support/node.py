"""Node.js, which runs scripts of the browser client outside of a browser."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import playwright

OLDEST = 20
BUNDLED = Path(playwright.__file__).parent / "driver" / "node"
"""Node.js that is part of Playwright's driver."""


@cache
def node() -> str:
    """Return the machine's Node.js if it is new enough, else Playwright's."""
    own = shutil.which("node")
    return own if own and _major(own) >= OLDEST else str(BUNDLED)


@cache
def trouble(command: str) -> str:
    """Return the reason why that Node.js does not start; an empty string if it does."""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else " ".join(done.stderr.split())


def _major(command: str) -> int:
    version = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    number = version.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdigit() else 0


if __name__ == "__main__":
    print(node())  # noqa: T201  for the Makefile

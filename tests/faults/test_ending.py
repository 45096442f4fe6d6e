"""A run that is told to stop ends what it has started, whichever signal says so, in a shell's background, too."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.process import PYTHON, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = """
import asyncio, signal, time
from faults import ending
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell leaves it for what runs in its background

def start():
    print("starting", flush=True)
    time.sleep(1)
    print("started", flush=True)

async def main():
    try:
        await ending.to_thread(start)
    finally:
        await asyncio.sleep(0.5)
        print("ended", flush=True)

ending.run(main())
print("went on", flush=True)
"""


@pytest.fixture
def started() -> Iterator[subprocess.Popen[str]]:
    """A process that is starting something in a thread just now."""
    command = [PYTHON, "-c", CODE]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal__what_is_being_started_is_ended(started: subprocess.Popen[str], number: signal.Signals) -> None:
    started.send_signal(number)
    started.send_signal(number)  # Ctrl-C comes twice: by the terminal, and by the process above
    said, _ = started.communicate(timeout=20)
    assert said == "started\nended\n"
    assert started.returncode == 128 + number


def test_no_signal(started: subprocess.Popen[str]) -> None:
    said, _ = started.communicate(timeout=20)
    assert said == "started\nended\nwent on\n"
    assert started.returncode == 0

"""Helper processes of the harness. Orders and answers are lines of JSON on stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from bench import proc

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 180.0
"""Seconds within which an order must be answered."""
END_SECONDS = 20.0


class HelperFailed(Exception):
    """The helper process ended, or did not answer in time."""


class Helper:
    """Helper process, seen by the harness. Its stderr is appended to ``log``; the process ends with the block."""

    def __init__(self, module: str, *arguments: str, python: Path, env: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [python, "-m", module, *arguments],
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, do: str, **arguments: Any) -> Any:
        """Give an order and wait for its answer.

        Raises:
            HelperFailed: the process ended, or was killed because it did not answer within `SECONDS`.
        """
        self.tell(do, **arguments)
        return self.answer()

    def tell(self, do: str, **arguments: Any) -> None:
        """Give an order. Call `answer` for its result."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to the last order.

        Raises:
            HelperFailed: the process ended, or was killed because it did not answer within `SECONDS`.
        """
        assert self._process.stdout is not None
        too_late = threading.Timer(SECONDS, self._process.kill)
        too_late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            too_late.cancel()
        if not line:
            said = self._log.read_text(errors="replace").strip().splitlines()[-15:]
            raise HelperFailed("\n".join(["A helper process ended or hung. Its last output:", *said]))
        return json.loads(line)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process so far, in seconds."""
        return proc.cpu_seconds(self._process.pid)

    def end(self) -> None:
        """End the process by closing its stdin; kill it if it does not end."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


async def obey(worker: Any) -> None:
    """Run orders in the helper process: call the named methods of ``worker`` one after another, until stdin ends."""
    # Descriptor 1 carries answers only, so prints of libraries go to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    orders = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        answer = await getattr(worker, order.pop("do"))(**order)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

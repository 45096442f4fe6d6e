"""A process beside the harness that does what it is told: a line of JSON in, a line of JSON out."""

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
"""How long an order may take."""
END_SECONDS = 20.0


class HelperFailed(Exception):
    """The process ended, or did not answer in time."""


class Helper:
    """The harness's side. What the process writes to stderr goes to ``log``. Ends with the block."""

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
            HelperFailed: the process ended, or did not answer within `SECONDS` and was ended.
        """
        self.tell(do, **arguments)
        return self.answer()

    def tell(self, do: str, **arguments: Any) -> None:
        """Give an order; `answer` takes its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to the last order."""
        assert self._process.stdout is not None
        too_late = threading.Timer(SECONDS, self._process.kill)
        too_late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            too_late.cancel()
        if not line:
            said = self._log.read_text(errors="replace").strip().splitlines()[-15:]
            raise HelperFailed("\n".join(["A helper process ended or hung. It said last:", *said]))
        return json.loads(line)

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has taken so far."""
        return proc.cpu_seconds(self._process.pid)

    def end(self) -> None:
        """Have it end; kill it if it doesn't."""
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
    """The process's side: call the methods of ``worker`` that are asked for, one after another, until stdin ends."""
    # Only answers may go to the pipe on which the harness reads.
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

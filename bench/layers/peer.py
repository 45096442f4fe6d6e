"""Worker processes, seen by the harness."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import proc
from bench.layers.kinds import ROOT, Kind

SECONDS = 120.0
"""Seconds within which an order must be answered."""
END_SECONDS = 20.0


class PeerFailed(Exception):
    """A worker process ended or did not answer in time."""


class Peer:
    """A worker process. Its stderr is appended to ``log``."""

    def __init__(self, kind: Kind, config: dict[str, Any], log: Path) -> None:
        self._kind = kind
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [kind.python, "-m", "bench.layers.worker", kind.backend, json.dumps(config)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def tell(self, do: str, **arguments: Any) -> None:
        """Give an order. Call `answer` for its result."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to the last order.

        Raises:
            PeerFailed: the process ended, or was killed because it did not answer within `SECONDS`.
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
            raise PeerFailed("\n".join([f"{self._kind.name}: the process ended or hung. Its last output:", *said]))
        return json.loads(line)

    def ask(self, do: str, **arguments: Any) -> Any:
        """Give an order and wait for its answer."""
        self.tell(do, **arguments)
        return self.answer()

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process so far, in seconds."""
        return proc.cpu_seconds(self._process.pid)

    def rss_bytes(self) -> int:
        """Return the resident memory of the process, in bytes."""
        return proc.rss_bytes(self._process.pid)

    def end(self) -> None:
        """Let the worker clean up its broker and end; kill it if it does not end."""
        with contextlib.suppress(OSError, PeerFailed):  # the process has ended already
            self.ask("end", calls=list(self._kind.endings))
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


@contextlib.contextmanager
def pair(kind: Kind, place: str, log: Path, *, room: int | None) -> Iterator[tuple[Peer, Peer]]:
    """Start a sender and a receiver of a kind. Both end with the block."""
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(2):
            peers.append(Peer(kind, kind.config(place, room=room), log))
            stack.callback(peers[-1].end)
        yield peers[0], peers[1]

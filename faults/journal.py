"""Journals of producers and viewers during a fault, and their reader.

Each producer is a process that appends lines to its own file, so that the lines survive when the process is killed.
Times are of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["attempt", "acked", "failed", "void", "shown", "joined", "left", "state"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a journal.

    ``attempt``: a message is about to be created. ``acked``: its transaction has committed. ``failed``: creating it
    raised. ``void``: its transaction was rolled back. ``joined``, ``left``: a viewer begins, ends. ``shown``: a viewer
    showed a message. ``state``: a viewer's connection changed.
    """

    kind: Kind
    at: float
    number: str = ""
    """Number of the message: ``<run>.<source>.<sequence>``. It is the message's title."""
    user: int = 0
    viewer: str = ""
    """Name of the viewer: a tab from one page load to the next, or a protocol client."""
    note: str = ""
    """Way of the message ("push", "sync"), reason of a failure, or new state."""
    seconds: float = 0
    """Seconds that creating the message took its caller."""

    @property
    def run(self) -> str:
        """Run to which the message belongs."""
        return self.number.partition(".")[0]


class Journal:
    """Appends entries to a file. The operating system has each entry before the call returns."""

    def __init__(self, folder: Path, source: str) -> None:
        folder.mkdir(exist_ok=True)
        self._file = os.open(folder / f"{source}-{os.getpid()}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, kind: Kind, number: str, user: int, *, note: str = "", seconds: float = 0) -> None:
        """Append an entry."""
        entry = Entry(kind=kind, at=time.monotonic(), number=number, user=user, note=note, seconds=seconds)
        os.write(self._file, (json.dumps(asdict(entry)) + "\n").encode())


class Reader:
    """Reads the entries that were appended to the files of a folder since the last call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def more(self) -> list[Entry]:
        """Return the new entries. A line that is still being written is left for the next call."""
        found: list[Entry] = []
        for path in sorted(self._folder.glob("*.jsonl")):
            offset = self._offsets.get(path, 0)
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offsets[path] = offset + len(whole)
            found += [Entry(**json.loads(line)) for line in whole.splitlines()]
        return found

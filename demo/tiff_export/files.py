"""Files that appear complete or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

UNFINISHED: Final = ".part"


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name when the block succeeds, and is removed when the block fails.

    The file is synced to the disk before that, so after a crash of the machine it is complete or absent. It is locked
    while it is written, so that ``remove_leftovers`` can tell it from the file of a killed process.

    Raises:
        OSError: the file can't be written; ENOSPC and EDQUOT when the disk is full.
    """
    file, path = _open_locked(target)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            path.replace(target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def remove_leftovers(folder: Path) -> int:
    """Remove the unfinished files that no living process is writing, and return their number."""
    removed = 0
    for path in folder.glob(f"*{UNFINISHED}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except (BlockingIOError, FileNotFoundError):
            continue  # another process is writing it, or has just finished it
        removed += 1
    return removed


def _open_locked(target: Path) -> tuple[BinaryIO, Path]:
    while True:
        handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=UNFINISHED, dir=target.parent)
        # Opened by its name, for which tifffile asks: files of os.fdopen() have a number as their name.
        file, path = open(name, "w+b", opener=lambda *_, handle=handle: handle), Path(name)  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        # Before the lock, another process may have taken the file for a leftover and removed it.
        if path.exists():
            return file, path
        file.close()


def _sync_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

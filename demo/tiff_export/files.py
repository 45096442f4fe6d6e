"""Files that appear whole or not at all."""

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
    """Open a file that gets its name when the block ends well, and is removed when it ends in any other way.

    It is on disk by then: a crash of the machine leaves the whole file or none. While it is written it is locked, and
    so ``remove_leftovers`` can tell it from the file of a process that was killed.

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
    """Remove the unfinished files that no living process is writing, and return how many there were."""
    removed = 0
    for path in folder.glob(f"*{UNFINISHED}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except (BlockingIOError, FileNotFoundError):
            continue  # being written, or just finished
        removed += 1
    return removed


def _open_locked(target: Path) -> tuple[BinaryIO, Path]:
    while True:
        handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=UNFINISHED, dir=target.parent)
        # By its name, which tifffile asks for; os.fdopen() gives files whose name is a number.
        file, path = open(name, "w+b", opener=lambda *_, handle=handle: handle), Path(name)  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        # Between its creation and the lock, another process may have taken it for a left-over and removed it.
        if path.exists():
            return file, path
        file.close()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

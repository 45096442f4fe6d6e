"""Import for Daphne's settings: writes periodically the bytes that its process has allocated and not freed.

With glibc's malloc as Python's allocator (``PYTHONMALLOC=malloc``) this is exact to the byte. The resident size says
less: it includes gaps between allocations, and stays near the highest size that was ever needed.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from pathlib import Path

SECONDS = 2.0


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h; all fields are ``size_t``."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
        )
    )  # fmt: skip


_libc = ctypes.CDLL(None)
_libc.mallinfo2.restype = _Mallinfo2


def bytes_in_use() -> int:
    """Return the allocated bytes, in arenas and in separate mappings."""
    info = _libc.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def _write_forever(file: Path) -> None:
    while True:
        whole = file.with_suffix(".new")
        whole.write_text(str(bytes_in_use()))
        whole.rename(file)
        time.sleep(SECONDS)


if "FAULTS_MEMORY" in os.environ:
    threading.Thread(target=_write_forever, args=(Path(os.environ["FAULTS_MEMORY"]),), daemon=True).start()

"""CPU time and memory of another process, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Return the resident memory of the process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def with_children(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    children = [
        int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()
    ]
    return [pid, *[one for child in children for one in with_children(child)]]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of the process so far, in seconds.

    The resolution is a nanosecond if the kernel counts for each thread, else a clock tick (usually 10 ms).
    """
    try:
        return sum(int(stat.read_text().split()[0]) for stat in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    except (FileNotFoundError, IndexError):
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) * TICK_SECONDS

"""Typed access to the settings ``DEMO_*``, which demo/settings.py explains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings


class Conf:
    """Settings, read at each access so that tests can change them."""

    VAR: Path
    STACKS: Path | None
    CROPS: Path
    CROP_BYTES_MAX: int
    CROP_SECONDS_MAX: int
    CROPS_AT_ONCE: int
    CROP_DAYS: int
    DISK_RESERVE_BYTES: int

    def __getattr__(self, name: str) -> Any:
        return getattr(settings, f"DEMO_{name}")


conf = Conf()

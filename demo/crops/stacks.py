"""Stacks of this installation."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from demo.conf import conf
from demo.volumes import Stack, load_stacks
from demo.volumes.sample import ensure_sample


def stacks() -> dict[str, Stack]:
    """Return the stacks by name. They are read once in each process, so a changed description needs a restart.

    Raises:
        StackConfigError: the description is wrong.
        OSError: the sample can't be written.
    """
    return _load(conf.STACKS, conf.VAR)


@cache
def _load(description: Path | None, folder: Path) -> dict[str, Stack]:
    return load_stacks(description or ensure_sample(folder / "sample"))

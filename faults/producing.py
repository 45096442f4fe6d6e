"""Producers of the load: a web process, a Celery worker and a script create messages, and write journals.

A control file holds their orders, so that the same producers serve all faults:
``{"run": …, "users": […], "rate": …}``. They pause while ``run`` is empty. The script is
``python -m faults.producing <control file> <journal folder> <seed>``.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.journal import Journal

IDLE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """Current orders for the producers."""

    run: str = ""
    users: list[int] = field(default_factory=list)
    rate: float = 0
    """Messages a second of each producer."""
    worker: int = 0
    """Number of the worker that may produce. The loop of any other worker ends."""

    @classmethod
    def read(cls, path: Path) -> Orders:
        """Read the control file; a missing file is an empty order."""
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        """Replace the control file atomically, so that no producer reads half of it."""
        new = path.with_suffix(".new")
        fields = {"run": self.run, "users": self.users, "rate": self.rate, "worker": self.worker}
        new.write_text(json.dumps(fields))
        new.replace(path)


def create(journal: Journal, number: str, user: int) -> bool:
    """Create one message as host code would, and write the outcome into the journal."""
    from django.db import Error, close_old_connections

    from catmaid_notify import api

    close_old_connections()  # as Django does around each request, and Celery around each task
    journal.write("attempt", number, user)
    began = time.monotonic()
    try:
        api.notify_user(user, number)
    except Error as error:
        journal.write("failed", number, user, note=type(error).__name__, seconds=time.monotonic() - began)
        return False
    journal.write("acked", number, user, seconds=time.monotonic() - began)
    return True


def produce(source: str, control: Path, journal: Journal, seed: int, *, goes_on: Callable[[Orders], bool]) -> None:
    """Create messages as ordered, until ``goes_on`` returns false."""
    chance, sequence, due = random.Random(f"{seed} {source}"), 0, time.monotonic()
    while goes_on(orders := Orders.read(control)):
        if not orders.run:
            time.sleep(IDLE_SECONDS)
            due = time.monotonic()
            continue
        sequence += 1
        create(journal, f"{orders.run}.{source}{os.getpid()}.{sequence}", chance.choice(orders.users))
        due = max(due + chance.uniform(0.5, 1.5) / orders.rate, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))


def main(arguments: list[str]) -> None:
    import django

    django.setup()
    control, folder, seed = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    parent: Any = os.getppid()
    produce("script", control, Journal(folder, "script"), seed, goes_on=lambda _: os.getppid() == parent)


if __name__ == "__main__":
    main(sys.argv[1:])

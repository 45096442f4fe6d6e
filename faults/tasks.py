"""Celery task that makes a worker one of the producers."""

from __future__ import annotations

from pathlib import Path

from celery import shared_task

from faults.journal import Journal
from faults.producing import produce


@shared_task
def produce_here(control: str, folder: str, seed: int, worker: int) -> None:
    """Create messages as ordered, until the control file names another worker."""
    produce(
        "worker", Path(control), Journal(Path(folder), "worker"), seed, goes_on=lambda orders: orders.worker == worker
    )

"""Celery application of the site, with a task that sends."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.served.settings")
app = Celery("bench", backend="rpc://")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(ignore_result=False)
def publish(kind: str, count: int, rate: float) -> Any:
    """Send ``count`` events at ``rate`` a second, and return the durations."""
    from bench import calls  # after Celery has set up Django

    return calls.publish(kind, count, rate)

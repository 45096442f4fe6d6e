"""Celery application of the demo."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_process_init

from demo.running.orphans import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")

app = Celery("demo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect(weak=False)
def _end_with_worker(**_kwargs: object) -> None:
    """Let this pool process end with its worker, so that a long crop doesn't go on after the worker was killed."""
    end_with_parent()

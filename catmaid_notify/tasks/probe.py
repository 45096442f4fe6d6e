"""Names shared by the task ``catmaid_notify.check`` and ``manage.py notify_check``. Needs no Celery."""

from __future__ import annotations

from typing import Final

TASK: Final = "catmaid_notify.check"
"""Name of the task `catmaid_notify.tasks.celery.check`."""


def key_of(nonce: str) -> str:
    """Return the key of the message that the task stores for this check."""
    return f"catmaid-notify-check:{nonce}"

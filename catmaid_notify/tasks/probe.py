"""What the task that a check starts, and the check, both know."""

from __future__ import annotations

from typing import Final

TASK: Final = "catmaid_notify.check"
"""Name of `catmaid_notify.tasks.check`."""


def key_of(nonce: str) -> str:
    """Return the key of the message that the task stores."""
    return f"catmaid-notify-check:{nonce}"

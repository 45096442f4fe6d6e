"""Public import path of `publish_changes`."""

from __future__ import annotations

from catmaid_notify.topics.model_signals import publish_changes

__all__ = ["publish_changes"]

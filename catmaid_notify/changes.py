"""Public import path of `publish_changes`, which publishes the rows of a model into a topic."""

from __future__ import annotations

from catmaid_notify.topics.model_signals import publish_changes

__all__ = ["publish_changes"]

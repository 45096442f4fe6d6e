"""The crops of the users: the page, the task, the files."""

from __future__ import annotations

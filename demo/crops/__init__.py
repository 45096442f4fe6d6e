"""Crops of the users: page, task, files."""

from __future__ import annotations

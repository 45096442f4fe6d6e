"""Starts and stops everything that the demo consists of."""

from __future__ import annotations

"""Test helpers, one module for each part: servers, workers, browsers, and drivers without any of these."""

from __future__ import annotations

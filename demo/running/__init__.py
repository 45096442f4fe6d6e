"""Start and stop of all parts of the demo."""

from __future__ import annotations

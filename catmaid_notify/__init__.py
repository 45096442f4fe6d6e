"""An inbox of user messages for Django sites, pushed to the browser the moment they exist."""

from __future__ import annotations

__version__ = "0.1.0"

"""What the tests start besides themselves: servers, workers, browsers. One module a part."""

from __future__ import annotations

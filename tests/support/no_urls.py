"""URLs of a site without the app's own."""

from __future__ import annotations

urlpatterns: list[object] = []

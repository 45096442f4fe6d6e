"""The URLs of a site that has forgotten ours."""

from __future__ import annotations

urlpatterns: list[object] = []

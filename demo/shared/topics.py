"""The topics of the sheet, of the counter and of the calls; catmaid_notify finds this module at start."""

from __future__ import annotations

from typing import Any

from catmaid_notify import topics

HOUR_SECONDS = 3600
YEAR_SECONDS = 365 * 24 * HOUR_SECONDS


def may_follow(user: Any, **_parameters: Any) -> bool:
    """Everybody who can sign in to the demo."""
    return bool(user.is_active)


topics.register("sheet:<slug:name>", may_follow=may_follow)
# One value says all, so it is kept: pages have it right at once, whenever they come.
topics.register("counter:<slug:name>", may_follow=may_follow, keep_seconds=YEAR_SECONDS)
# Whoever comes within an hour gets the last one.
topics.register("calls", may_follow=may_follow, keep_seconds=HOUR_SECONDS)

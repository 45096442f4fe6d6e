"""The topics of the sheet and of the counter; catmaid_notify finds this module at start."""

from __future__ import annotations

from typing import Any

from catmaid_notify import topics

YEAR_SECONDS = 365 * 24 * 3600


def may_follow(user: Any, **_parameters: Any) -> bool:
    """Everybody who can sign in to the demo."""
    return bool(user.is_active)


topics.register("sheet:<slug:name>", may_follow=may_follow)
# One value says all, so it is kept: pages have it right at once, whenever they come.
topics.register("counter:<slug:name>", may_follow=may_follow, keep_seconds=YEAR_SECONDS)

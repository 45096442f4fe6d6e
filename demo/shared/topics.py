"""Topics of the sheet, the counter and the calls. catmaid_notify imports this module at start."""

from __future__ import annotations

from typing import Any

from catmaid_notify import topics

HOUR_SECONDS = 3600
YEAR_SECONDS = 365 * 24 * HOUR_SECONDS


def may_follow(user: Any, **_parameters: Any) -> bool:
    """Allow every signed-in user of the demo."""
    return bool(user.is_active)


topics.register("sheet:<slug:name>", may_follow=may_follow)
# The last value is the whole state. It is kept, so that a page has the right number as soon as it follows.
topics.register("counter:<slug:name>", may_follow=may_follow, keep_seconds=YEAR_SECONDS)
# A page that follows within an hour gets the last call.
topics.register("calls", may_follow=may_follow, keep_seconds=HOUR_SECONDS)

"""Topics of the measured site, which has this package among its apps."""

from __future__ import annotations

from typing import Any

from catmaid_notify import topics


def may_follow_many(users: list[Any], **_parameters: Any) -> list[Any]:
    """Let everybody follow."""
    return users


topics.register("bench:<int:number>", may_follow_many=may_follow_many)

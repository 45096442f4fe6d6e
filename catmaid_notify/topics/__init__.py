"""Topics that pages follow, declared by the site: each installed app's ``topics.py`` is imported at start.

    from catmaid_notify import topics

    topics.register("sheet:<slug:name>", may_follow=may_see_sheet)

What nobody has declared can neither be followed nor published into.
"""

from __future__ import annotations

from catmaid_notify.topics.registry import Declaration, Topic, find, recheck, register, unregister

__all__ = ["Declaration", "Topic", "find", "recheck", "register", "unregister"]

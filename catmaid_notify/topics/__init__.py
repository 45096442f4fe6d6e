"""Topics that pages follow, declared by the site: each installed app's ``topics.py`` is imported at start.

    from catmaid_notify import topics

    topics.register("sheet:<slug:name>", may_follow=may_see_sheet)

What nobody has declared can neither be followed nor published into.
"""

from __future__ import annotations

from catmaid_notify.topics.registry import Declaration as Declaration  # for this app's own code, as the next two
from catmaid_notify.topics.registry import Topic as Topic
from catmaid_notify.topics.registry import find as find
from catmaid_notify.topics.registry import recheck, register, unregister

__all__ = ["recheck", "register", "unregister"]

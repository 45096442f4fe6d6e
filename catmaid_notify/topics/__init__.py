"""Declaration of topics, in the ``topics.py`` of an installed app. Django imports each of them at start.

    from catmaid_notify import topics

    topics.register("sheet:<slug:name>", may_follow=may_see_sheet)

Pages can follow, and code can publish into, declared topics only.
"""

from __future__ import annotations

from catmaid_notify.topics.registry import Declaration as Declaration  # for this app's own code, as the next two
from catmaid_notify.topics.registry import Topic as Topic
from catmaid_notify.topics.registry import find as find
from catmaid_notify.topics.registry import recheck, register, unregister

__all__ = ["recheck", "register", "unregister"]

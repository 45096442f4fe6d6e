"""The applications that are compared, as a site would write them: ASGI applications for WebSockets.

Each is made by a function that takes nothing, since each needs packages that not every environment has.
"""

from __future__ import annotations

from typing import Any

from bench.served import bare


def ours() -> Any:
    """Return this project's."""
    from catmaid_notify.realtime.consumers import UpdatesConsumer

    return UpdatesConsumer.as_asgi()


def consumer() -> Any:
    """Return Channels' usual consumer, with whatever layer is configured."""
    from bench.served.consumer import Updates

    return Updates.as_asgi()


def only_sends() -> Any:
    """Return the one that shows the server's own cost."""
    return bare.application


def eventstream() -> Any:
    """Return nothing for WebSockets: django-eventstream is a view."""
    return None


APPLICATIONS = {"ours": ours, "consumer": consumer, "bare": only_sends, "eventstream": eventstream}

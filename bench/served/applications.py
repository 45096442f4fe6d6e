"""ASGI applications for WebSockets that are compared, as a site would write them.

A function without arguments makes each one, since each needs packages that not every environment has.
"""

from __future__ import annotations

from typing import Any

from bench.served import bare


def ours() -> Any:
    """Return this project's application."""
    from catmaid_notify.realtime.consumers import UpdatesConsumer

    return UpdatesConsumer.as_asgi()


def consumer() -> Any:
    """Return a usual consumer of Channels, with the configured layer."""
    from bench.served.consumer import Updates

    return Updates.as_asgi()


def only_sends() -> Any:
    """Return an application that only sends, which shows the server's own cost."""
    return bare.application


def eventstream() -> Any:
    """Return no application for WebSockets: django-eventstream is a view."""
    return None


APPLICATIONS = {"ours": ours, "consumer": consumer, "bare": only_sends, "eventstream": eventstream}

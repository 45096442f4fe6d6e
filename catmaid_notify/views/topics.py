"""HTTP view of the last values of topics, for pages without a socket."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from catmaid_notify import topics
from catmaid_notify.exceptions import UnknownTopic
from catmaid_notify.protocol import user_key
from catmaid_notify.topics import last_values, permissions
from catmaid_notify.views import etag
from catmaid_notify.views.inbox import signed_in

TOPICS_MAX: Final = 100
"""Topics in one request; further ones are ignored."""


@require_safe
@signed_in
def values(request: HttpRequest) -> HttpResponse:
    """Return the last values of the topics in ``?topic=…&topic=…``; 304 while none of them has changed.

    Topics without a value are left out; topics that the user may not follow are listed as ``refused``.
    """
    names = list(dict.fromkeys(request.GET.getlist("topic")))[:TOPICS_MAX]
    allowed = [name for name in names if _may_follow(request.user, name)]
    found = last_values.load(allowed)
    refused = [name for name in names if name not in allowed]
    state = [refused, [[value.topic, value.version] for value in found.values()]]

    def answer() -> HttpResponse:
        shown = [last_values.as_dict(found[name]) for name in allowed if name in found]
        return JsonResponse({"user": user_key(request.user.pk), "values": shown, "refused": refused})

    return etag.answer(request, request.user.pk, state, answer)


def _may_follow(user: Any, name: str) -> bool:
    try:
        topic = topics.find(name)
    except UnknownTopic:
        return False
    return user.pk in permissions.allowed([user], topic)

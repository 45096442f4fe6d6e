"""The last values of topics over HTTP, for pages without a socket."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_safe

from catmaid_notify import kept, permissions, topics
from catmaid_notify.exceptions import UnknownTopic
from catmaid_notify.protocol import user_key
from catmaid_notify.views import etag_of, signed_in

TOPICS_MAX: Final = 100
"""Topics in one request."""


@require_safe
@signed_in
def values(request: HttpRequest) -> HttpResponse:
    """``?topic=…&topic=…``: their last values, those left out that have none; 304 while none of them changes."""
    names = list(dict.fromkeys(request.GET.getlist("topic")))[:TOPICS_MAX]
    allowed = [name for name in names if _may_follow(request.user, name)]
    found = kept.load(allowed)
    refused = [name for name in names if name not in allowed]
    state: Any = [user_key(request.user.pk), refused, [[value.topic, value.version] for value in found.values()]]
    etag = etag_of(state)
    response: HttpResponse
    if request.headers.get("If-None-Match", "").removeprefix("W/") == etag:
        response = HttpResponseNotModified()
    else:
        shown = [kept.as_dict(found[name]) for name in allowed if name in found]
        response = JsonResponse({"user": user_key(request.user.pk), "values": shown, "refused": refused})
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["Cookie"])
    return response


def _may_follow(user: Any, name: str) -> bool:
    try:
        topic = topics.find(name)
    except UnknownTopic:
        return False
    return user.pk in permissions.allowed([user], topic)

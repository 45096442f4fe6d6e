"""Pages of the tests' site: one to look at the bundled inbox on, and those that do something in a web server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_POST

from catmaid_notify.api import notify_user

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
"""What a careful site allows; the client must need nothing more."""


@login_required
def inbox(request: HttpRequest) -> HttpResponse:
    """A page with a bell in its bar, under a strict policy.

    ``?lang=`` and ``?dir=`` are its language and direction, ``?theme=`` its colours, ``?style=`` and ``?script=`` name
    further static files, ``?bell=`` is where the bell is (start, end, bottom).
    """
    asked = request.GET
    context: dict[str, Any] = {
        "lang": asked.get("lang", "en"),
        "dir": asked.get("dir", "ltr"),
        "theme": asked.get("theme", "light dark"),
        "bell": asked.get("bell", "end"),
        "styles": asked.getlist("style"),
        "scripts": asked.getlist("script"),
    }
    with translation.override(context["lang"]):
        response = render(request, "tests/inbox.html", context)
    # Old scripts put HTML into the page, which Trusted Types forbid.
    response["Content-Security-Policy"] = POLICY.partition("; require")[0] if context["scripts"] else POLICY
    return response


@require_POST
@login_required
def send(request: HttpRequest) -> HttpResponse:
    """Send the one who asks a message, and say how the site was reached."""
    notify_user(request.user, "From a page")
    return JsonResponse({"path": request.path, "url": request.build_absolute_uri("/"), "secure": request.is_secure()})


@login_required
def slow(request: HttpRequest) -> HttpResponse:
    """Say to the one who asks that it has begun, and take ``?seconds=``."""
    notify_user(request.user, "Slow has begun")
    time.sleep(float(request.GET["seconds"]))
    return JsonResponse({})

"""URLs of the tested site: those of the tests, a page with the client, and a view that creates messages."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from faults.journal import Journal
from faults.producing import create
from tests import urls

PAGE = Template(
    '{% load catmaid_notify %}<!doctype html><html lang="en"><head><link rel="icon" href="data:,"></head>'
    "<body><h1>{{ request.user }}</h1>{% catmaid_notify %}</body></html>"
)


@cache
def _journal() -> Journal:
    return Journal(Path(os.environ["FAULTS_JOURNAL"]), "web")


def page(request: HttpRequest) -> HttpResponse:
    """Return a page with the client."""
    return HttpResponse(PAGE.render(RequestContext(request)))


@csrf_exempt
def produce(request: HttpRequest, number: str, user: int) -> HttpResponse:
    """Create one message."""
    return HttpResponse(status=204 if create(_journal(), number, user) else 503)


urlpatterns = [
    path("faults/page/", page),
    path("faults/produce/<str:number>/<int:user>/", produce),
    *urls.urlpatterns,
]

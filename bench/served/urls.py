"""URLs of the site, and those of the peer that is a view."""

from __future__ import annotations

import os

from django.urls import include, path

from bench.served import views

urlpatterns = [
    path("listed/", views.listed),
    path("", include("catmaid_notify.urls")),
]
if os.environ.get("BENCH_APPLICATION") == "eventstream":
    urlpatterns.insert(0, path("events/", include("django_eventstream.urls")))

"""The tests' site: pages with the app on them, and the app's own addresses."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path
from django.views.generic import TemplateView

from tests import pages

urlpatterns = [
    path("page/", TemplateView.as_view(template_name="tests/page.html"), name="page"),
    path("inbox/", pages.inbox, name="inbox"),
    path("send/", pages.send),
    path("slow/", pages.slow),
    path("admin/", admin.site.urls),
    path("static/<path:path>", serve, {"insecure": True}),  # insecure: also without DEBUG
    path("", include("catmaid_notify.urls")),
]

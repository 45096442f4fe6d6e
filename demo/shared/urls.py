"""URLs of the sheet, the counter and the calls."""

from __future__ import annotations

from django.urls import path

from demo.shared import calls, views

app_name = "shared"
urlpatterns = [
    path("sheet/", views.sheet, {"name": "plan"}, name="sheet"),
    path("sheet/<slug:name>/", views.sheet, name="named-sheet"),
    path("sheet/<slug:name>/cells", views.cells, name="cells"),
    path("counter/", views.counter, {"name": "demo"}, name="counter"),
    path("counter/<slug:name>/raise/", views.raise_counter, name="raise"),
    path("counter/<slug:name>/", views.counter, name="named-counter"),
    path("calls/", calls.calls, name="calls"),
    path("calls/new", calls.call, name="call"),
]

"""URLs of the crops."""

from __future__ import annotations

from django.urls import path

from demo.crops import views

app_name = "crops"
urlpatterns = [
    path("crops/", views.crops, name="crops"),
    path("crops/<uuid:pk>/download", views.download, name="download"),
    path("stacks/<slug:name>/<int:zoom>/<int:z>/<int:row>/<int:col>.jpg", views.tile, name="tile"),
]

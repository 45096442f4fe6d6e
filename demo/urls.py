"""URLs of the demo."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from demo.crops.views import index

urlpatterns = [
    path("", index, name="index"),
    path("", include("demo.crops.urls")),
    path("", include("demo.shared.urls")),
    path("", include("catmaid_notify.urls")),
    path("login/", LoginView.as_view(template_name="demo/login.html", redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]

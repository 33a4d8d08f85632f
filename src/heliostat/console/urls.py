"""All pages of Heliostat: `path("", include("heliostat.console.urls"))` is all that a project needs."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from heliostat.console import extensions, views

urlpatterns = [
    path("", views.home, name="home"),
    path(
        "accounts/login/",
        LoginView.as_view(template_name="heliostat_console/login.html", next_page="home"),
        name="login",
    ),
    path("accounts/logout/", LogoutView.as_view(next_page="home"), name="logout"),
    *extensions.urls(),
]

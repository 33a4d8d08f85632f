from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from heliostat.console import extensions


def home(request: HttpRequest) -> HttpResponse:
    """Show the dashboard; a visitor who has not logged in sees a welcome."""
    panels = extensions.panels(request) if request.user.is_authenticated else []
    return render(request, "heliostat_console/home.html", {"panels": panels})

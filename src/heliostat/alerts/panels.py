from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from heliostat.alerts.views import queries_for
from heliostat.console.extensions import Panel, Row

NEWEST = 6


def recent(request: HttpRequest) -> Panel:
    queries = queries_for(request).order_by("-modified", "-id")[:NEWEST]
    rows = [Row(query.name, query.get_absolute_url(), query.broker) for query in queries]
    return Panel("Queries", reverse("alerts:list"), "No queries yet: ask an alert broker.", rows)

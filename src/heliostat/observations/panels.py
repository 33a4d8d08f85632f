from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from heliostat.console.extensions import Panel, Row
from heliostat.observations.facility import facilities
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target

NEWEST = 6
SHOWN = 25


def recent(_request: HttpRequest) -> Panel:
    records = ObservationRecord.objects.select_related("target")[:NEWEST]
    rows = [Row(str(record), record.get_absolute_url(), record.get_status_display()) for record in records]
    return Panel("Observations", reverse("observations:list"), "No observations yet.", rows)


def of_target(_request: HttpRequest, target: Target) -> tuple[str, dict[str, Any]]:
    context = {"observations": target.observations.all()[:SHOWN], "facilities": list(facilities.all())}
    return "heliostat_observations/of_target.html", context

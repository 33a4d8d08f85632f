from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from heliostat.console.extensions import Panel, Row
from heliostat.observations.facility import facilities
from heliostat.observations.models import ObservationRecord
from heliostat.permissions import has_permission
from heliostat.targets.models import Target

NEWEST = 6
SHOWN = 25


def recent(request: HttpRequest) -> Panel:
    records = ObservationRecord.objects.visible_to(request.user).select_related("target")[:NEWEST]
    rows = [Row(str(record), record.get_absolute_url(), record.get_status_display()) for record in records]
    return Panel("Observations", reverse("observations:list"), "No observations yet.", rows)


def of_target(request: HttpRequest, target: Target) -> tuple[str, dict[str, Any]]:
    observations = target.observations.visible_to(request.user)[:SHOWN]
    may_add = has_permission(request.user, "add", ObservationRecord, target)
    context = {"observations": observations, "facilities": list(facilities.all()) if may_add else []}
    return "heliostat_observations/of_target.html", context

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target

SHOWN = 25


def of_target(_request: HttpRequest, target: Target) -> tuple[str, dict[str, Any]]:
    context = {"products": target.data_products.all()[:SHOWN], "upload_to": f"target={target.pk}"}
    return "heliostat_dataproducts/panel.html", context


def of_observation(_request: HttpRequest, observation: ObservationRecord) -> tuple[str, dict[str, Any]]:
    context = {"products": observation.data_products.all()[:SHOWN], "upload_to": f"observation={observation.pk}"}
    return "heliostat_dataproducts/panel.html", context

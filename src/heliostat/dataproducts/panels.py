from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.permissions import has_permission
from heliostat.targets.models import Target

SHOWN = 25


def of_target(request: HttpRequest, target: Target) -> tuple[str, dict[str, Any]]:
    return _panel(request, f"target={target.pk}", target)


def of_observation(request: HttpRequest, observation: ObservationRecord) -> tuple[str, dict[str, Any]]:
    return _panel(request, f"observation={observation.pk}", observation)


def _panel(request: HttpRequest, upload_to: str, to: Target | ObservationRecord) -> tuple[str, dict[str, Any]]:
    products = to.data_products.visible_to(request.user)[:SHOWN]
    may_add = has_permission(request.user, "add", DataProduct, to)
    return "heliostat_dataproducts/panel.html", {"products": products, "upload_to": upload_to if may_add else ""}

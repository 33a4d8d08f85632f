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


def _panel(request: HttpRequest, of: str, to: Target | ObservationRecord) -> tuple[str, dict[str, Any]]:
    """The newest products of a target or observation, the featured ones first, and where all of them are."""
    products = list(to.data_products.visible_to(request.user).order_by("-featured", "-created", "-pk")[: SHOWN + 1])
    may_add = has_permission(request.user, "add", DataProduct, to)
    context = {"products": products[:SHOWN], "more": len(products) > SHOWN, "of": of}
    return "heliostat_dataproducts/panel.html", {**context, "upload_to": of if may_add else ""}

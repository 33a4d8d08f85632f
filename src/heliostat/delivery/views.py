"""The outbox's metrics as a page: `path("metrics", heliostat.delivery.views.metrics)`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from heliostat.conf import conf
from heliostat.delivery.metrics import CONTENT_TYPE, exposition
from heliostat.events.databases import home
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.models import Callback
from heliostat.permissions import has_permission

REFUSED = (
    "Log in as a user with the permission to view callbacks, "
    "or send the header “Authorization: Bearer …” with HELIOSTAT_METRICS_TOKEN.\n"
)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics, for Prometheus with a token and for users with the permission to view callbacks.

    What workers did is at their own ports (`worker --health-port`).
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_bearer = bool(conf.metrics_token) and scheme.lower() == "bearer"
    has_token = is_bearer and constant_time_compare(token, conf.metrics_token)
    if not (has_token or has_permission(getattr(request, "user", None), "view", Callback)):
        return HttpResponse(REFUSED, status=403, content_type="text/plain; charset=utf-8")
    try:
        return HttpResponse(exposition(home()), content_type=CONTENT_TYPE)
    except ConfigurationError as error:
        return HttpResponse(f"{error}\n", status=501, content_type="text/plain; charset=utf-8")

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from heliostat.console import extensions


def console(_request: HttpRequest) -> dict[str, Any]:
    """Navigation, and whether durable work waits for a worker (looked up only by pages that say so)."""
    return {"console_navigation": extensions.navigation(), "worker": SimpleLazyObject(_worker_status)}


def _worker_status() -> Any:
    if not apps.is_installed("heliostat.delivery"):
        return None
    from heliostat.delivery.heartbeat import worker_status

    return worker_status()

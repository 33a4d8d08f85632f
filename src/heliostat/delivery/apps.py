from __future__ import annotations

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """The worker and its transports."""

    name = "heliostat.delivery"
    label = "heliostat_delivery"
    verbose_name = "Heliostat delivery"

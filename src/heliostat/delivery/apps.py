from __future__ import annotations

from django.apps import AppConfig

from heliostat.setting_checks import register_check


class DeliveryConfig(AppConfig):
    """The worker and its transports."""

    name = "heliostat.delivery"
    label = "heliostat_delivery"
    verbose_name = "Heliostat delivery"

    def ready(self) -> None:
        from django.core.checks import Tags

        from heliostat.delivery.guard import check_loopback

        register_check(check_loopback, Tags.security, deploy=True)

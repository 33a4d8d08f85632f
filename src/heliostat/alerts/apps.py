from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class AlertsConfig(AppConfig):
    """Alerts of remote brokers, and the targets that are made of them."""

    name = "heliostat.alerts"
    label = "heliostat_alerts"
    verbose_name = "Alerts"
    default_auto_field = "django.db.models.BigAutoField"
    event_namespace = "alerts"
    console_urls = ("alerts/", "heliostat.alerts.urls")
    console_navigation = (("Alerts", "alerts:list"),)
    console_panel = "heliostat.alerts.panels.recent"

    def ready(self) -> None:
        from heliostat.alerts.registry import check_brokers

        register(check_brokers)

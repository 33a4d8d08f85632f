from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class ObservationsConfig(AppConfig):
    """Observations of targets, made by facilities."""

    name = "heliostat.observations"
    label = "heliostat_observations"
    verbose_name = "Observations"
    default_auto_field = "django.db.models.BigAutoField"
    event_namespace = "observations"
    console_urls = ("observations/", "heliostat.observations.urls")
    console_navigation = (("Observations", "observations:list"),)
    console_panel = "heliostat.observations.panels.recent"
    target_panel = "heliostat.observations.panels.of_target"

    def ready(self) -> None:
        from heliostat.observations.facility import check_facilities

        register(check_facilities)

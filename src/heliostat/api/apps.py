from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The REST API."""

    name = "heliostat.api"
    label = "heliostat_api"
    verbose_name = "Heliostat API"

    def ready(self) -> None:
        from django.core.checks import register

        from heliostat.api.policy import check_policy

        register(check_policy)

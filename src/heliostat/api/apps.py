from __future__ import annotations

from django.apps import AppConfig

from heliostat.installed import need_the_outbox


class ApiConfig(AppConfig):
    """The REST API."""

    name = "heliostat.api"
    label = "heliostat_api"
    verbose_name = "Heliostat API"

    def import_models(self) -> None:
        need_the_outbox(self, "heliostat.webhooks")
        super().import_models()

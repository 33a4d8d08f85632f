from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class DataPointsConfig(AppConfig):
    """Photometry, spectra and astrometry of targets, in typed tables."""

    name = "heliostat.datapoints"
    label = "heliostat_datapoints"
    verbose_name = "Data points"
    default_auto_field = "django.db.models.BigAutoField"
    event_namespace = "datapoints"
    product_reader = "heliostat.datapoints.products.reader"

    def ready(self) -> None:
        from heliostat import register_event_type
        from heliostat.datapoints.reading import check_processors

        register(check_processors)

        register_event_type(
            "targets.target.data_stored", description="Photometry, spectra or astrometry of a target were stored."
        )

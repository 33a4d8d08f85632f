from __future__ import annotations

from django.apps import AppConfig


class DataProductsConfig(AppConfig):
    """Files that come out of observations, or are uploaded."""

    name = "heliostat.dataproducts"
    label = "heliostat_dataproducts"
    verbose_name = "Data products"
    default_auto_field = "django.db.models.BigAutoField"
    event_namespace = "dataproducts"
    console_urls = ("dataproducts/", "heliostat.dataproducts.urls")
    console_navigation = (("Data products", "dataproducts:list"),)
    target_panel = "heliostat.dataproducts.panels.of_target"
    observation_panel = "heliostat.dataproducts.panels.of_observation"

    def ready(self) -> None:
        import heliostat.dataproducts.conf  # noqa: F401  its settings are checked
        from heliostat import register_event_type

        register_event_type("dataproducts.dataproduct.uploaded", description="A file was uploaded.")
        register_event_type("dataproducts.dataproduct.retrieved", description="A file was retrieved from a facility.")
        register_event_type(
            "observations.observationrecord.data_retrieved",
            description="All new files of an observation were retrieved from its facility.",
        )

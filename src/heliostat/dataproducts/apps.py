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

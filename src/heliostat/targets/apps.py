from __future__ import annotations

from django.apps import AppConfig


class TargetsConfig(AppConfig):
    """What is observed."""

    name = "heliostat.targets"
    label = "heliostat_targets"
    verbose_name = "Targets"
    default_auto_field = "django.db.models.BigAutoField"
    event_namespace = "targets"
    console_urls = ("targets/", "heliostat.targets.urls")
    console_navigation = (("Targets", "targets:list"),)
    console_panel = "heliostat.targets.panels.recent"

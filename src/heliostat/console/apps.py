from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The pages that all rooms share: frame, navigation, dashboard, log-in.

    An app takes part by attributes of its AppConfig: `console_urls` (where its addresses hang),
    `console_navigation` (its entries in the navigation) and `console_panel` (its part of the dashboard).
    """

    name = "heliostat.console"
    label = "heliostat_console"
    verbose_name = "Heliostat"
    default_auto_field = "django.db.models.BigAutoField"

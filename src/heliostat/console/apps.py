from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The pages that all apps share: base template, navigation, dashboard, log-in.

    An app adds to them by attributes of its AppConfig: `console_urls` (its URL patterns and their prefix),
    `console_navigation` (its entries in the navigation) and `console_panel` (its panel of the dashboard).
    """

    name = "heliostat.console"
    label = "heliostat_console"
    verbose_name = "Heliostat"
    default_auto_field = "django.db.models.BigAutoField"

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class ListenersConfig(AppConfig):
    """Listeners: the setting `EVENT_LISTENERS`."""

    name = "heliostat.listeners"
    label = "heliostat_listeners"
    verbose_name = "Heliostat listeners"

    def ready(self) -> None:
        from heliostat.delivery.python import find_with
        from heliostat.events.matching import registry
        from heliostat.listeners.source import check_listeners, listener_of, subscriptions

        registry.add("listeners", subscriptions)
        find_with("listener", listener_of)
        register(check_listeners)
